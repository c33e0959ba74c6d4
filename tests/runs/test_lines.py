"""Connections between the processes of a run."""

import contextlib
import socket
import threading

import pytest

from subjective.checks import InputError
from subjective.runs import lines
from subjective.runs.lines import accept_lines, connect, listen

TOKEN = "01234567"


@pytest.fixture
def connected():
    """The ends of a connection: the leader's, and that of member 1. A stranger has tried before."""
    with listener() as (found, port), ThreadOf(lambda: connect(["127.0.0.1"], port, TOKEN, 1)) as member:
        accepted = accept_lines(found, TOKEN, 2)
    assert list(accepted) == [1]
    yield accepted[1], member.result
    accepted[1].close()
    member.result.close()


@contextlib.contextmanager
def listener():
    with listen() as found:
        port = found.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            yield found, port


class ThreadOf(threading.Thread):
    """Calls a function beside the block, and keeps what it returns."""

    def __init__(self, function):
        super().__init__(daemon=True)
        self.function, self.result = function, None

    def run(self):
        self.result = self.function()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.join(60)


def test_orders_come_with_their_bytes_and_in_order(connected):
    leader, member = connected
    data = bytes(range(256)) * 1000
    leader.send({"do": "keep", "shape": [3]}, data)
    leader.send({"do": "end"})
    assert member.receive() == ({"do": "keep", "shape": [3]}, data)
    assert member.receive() == ({"do": "end"}, b"")
    member.send({"do": "signal", "number": 2})
    assert leader.receive() == ({"do": "signal", "number": 2}, b"")


def test_the_end_of_a_process_is_heard(connected):
    leader, member = connected
    member.close()
    assert leader.receive() is None


def test_a_member_that_does_not_come_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr(lines, "ANSWER_SECONDS", 0.1)
    with listener() as (found, _), pytest.raises(InputError, match="2 of 3 processes did not connect to process 0"):
        accept_lines(found, TOKEN, 3)


def test_a_leader_with_another_token_is_none(monkeypatch):
    monkeypatch.setattr(lines, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(lines, "GREETING_SECONDS", 0.2)

    def refused():
        with pytest.raises(InputError, match="process 0 cannot be reached at port"):
            connect(["127.0.0.1", "host.invalid"], port, "76543210", 1)
        return True

    with listener() as (found, port), ThreadOf(refused) as member, pytest.raises(InputError):
        accept_lines(found, TOKEN, 2)
    assert member.result


def test_a_port_that_is_taken_is_refused():
    with listen() as found:
        port = found.getsockname()[1]
        with pytest.raises(InputError, match=f"coordinator names port {port}, which cannot be used here"):
            listen(port)
