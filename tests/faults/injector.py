"""Let one call to the file system fail, or stop everything at it as a kill does.

The calls of Python code are counted: open for writing, write, fsync, rename, link, unlink, mkdir, rmdir, truncate.
Calls of compiled code, such as TensorStore's, are not seen.
"""

import builtins
import contextlib
import errno
import fcntl
import gc
import io
import os
import warnings
import weakref

KILL, FULL = "kill", "full"
ERRORS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EACCES": errno.EACCES}
FAULTS = (*ERRORS, FULL, KILL)
"""One call fails with an error; from one call on, the disk is full; at one call, the process is killed."""

GROWING = ("open", "write", "fsync", "link", "mkdir")
"""Calls that fail on a full disk."""


class Killed(BaseException):
    """The process was killed: nothing that it does from now on reaches the disk."""


class Injector:
    """A context manager in which one call below a folder fails.

    Attributes:
        calls: (kind, path) of each call that has been counted.
    """

    def __init__(self, root, at=None, fault=None):
        self.root, self.at, self.fault = os.path.realpath(root), at, fault
        self.calls, self.dead, self._paths = [], False, {}
        self._files = weakref.WeakSet()

    def covers(self, path):
        if isinstance(path, int):
            return path in self._paths
        path = os.path.realpath(os.path.dirname(os.path.abspath(os.fsdecode(path))))
        return path == self.root or path.startswith(self.root + os.sep)

    def count(self, kind, path):
        """Count a call; raise the error with which it fails. Return whether it is the one at which all ends."""
        if self.dead:
            raise Killed
        path = self._paths.get(path) if isinstance(path, int) else os.fsdecode(path)
        number = len(self.calls)
        self.calls.append((kind, os.path.relpath(os.path.abspath(path), self.root)))
        if number == self.at and self.fault in ERRORS:
            raise OSError(ERRORS[self.fault], os.strerror(ERRORS[self.fault]), path)
        if self.fault == FULL and self.at is not None and number >= self.at and kind in GROWING:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        if number == self.at and self.fault == KILL:
            self.dead = True
            return True
        return False

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", ResourceWarning)  # a killed process closes nothing
        for name in ("fsync", "replace", "rename", "link", "unlink", "remove", "mkdir", "rmdir"):
            self._patch(os, name, self._guarded(name, getattr(os, name)))
        self._patch(os, "open", self._os_open(os.open))
        faulty = self._open(io.open)
        self._patch(io, "open", faulty)
        self._patch(builtins, "open", faulty)
        return self

    def __exit__(self, kind, error, trace):
        """Take all patches back, and close what a killed process held open."""
        if error is not None and self.dead:
            _forget(error)
        gc.collect()
        for file in list(self._files) if self.dead else ():
            if not file.closed:  # another thread holds it
                fcntl.flock(file, fcntl.LOCK_UN)
        self._stack.close()
        return isinstance(error, Killed)

    def _patch(self, place, name, value):
        before = getattr(place, name)
        setattr(place, name, value)
        self._stack.callback(setattr, place, name, before)

    def _guarded(self, name, function):
        kind = {"replace": "rename", "remove": "unlink"}.get(name, name)

        def guarded(path, *more, **named):
            if named.get("dir_fd") is None and self.covers(path) and self.count(kind, path):
                raise Killed
            return function(path, *more, **named)

        return guarded

    def _os_open(self, function):
        def os_open(path, flags, *more, **named):
            writes = flags & (os.O_WRONLY | os.O_RDWR) and named.get("dir_fd") is None and self.covers(path)
            if writes and self.count("open", path):
                raise Killed
            descriptor = function(path, flags, *more, **named)
            self._paths.pop(descriptor, None)
            if writes:
                self._paths[descriptor] = os.path.abspath(os.fsdecode(path))
            return descriptor

        return os_open

    def _open(self, function):
        injector = self

        class FaultyFile(io.FileIO):
            def write(self, data):
                if injector.dead:
                    return len(memoryview(data).cast("B"))
                if injector.count("write", self.fileno()):
                    super().write(memoryview(data).cast("B")[: len(data) // 2])  # torn
                    raise Killed
                return super().write(data)

            def truncate(self, *size):
                if injector.count("truncate", self.fileno()):
                    raise Killed
                return super().truncate(*size)

        def faulty_open(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, **more):
            if not set(mode) & set("wax+") or not self.covers(file):
                return function(file, mode, buffering, encoding, errors, newline, closefd, **more)
            if not isinstance(file, int) and self.count("open", file):
                raise Killed
            raw = FaultyFile(file, mode.replace("b", "").replace("t", ""), closefd)
            self._paths[raw.fileno()] = self._paths.get(file) or os.path.abspath(os.fsdecode(file))
            self._files.add(raw)
            if buffering == 0:
                return raw
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

        return faulty_open


def _forget(error):
    """Let go of the frames of an error and of the errors before it, and thus of the files that they hold open."""
    while error is not None:
        error.__traceback__, error = None, error.__cause__ or error.__context__
