"""Show runs on a page, and start them from it. Only `server` and `serving` need Starlette and uvicorn."""
