"""TLS in front of a PostgreSQL that is built without: `python -m tests.e2e.tls ADDRESS SOCKET CERTIFICATE`.

Answers the protocol's SSLRequest, which comes before the TLS handshake, and refuses who does not ask for TLS.
Source: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
"""

import asyncio
import ssl
import struct
import sys

PORT = 5432
SSL_REQUEST = struct.pack("!ii", 8, 80877103)


async def serve(address: str, socket: str, certificate: str) -> None:
    """Listen on PORT; pass on what comes to PostgreSQL's Unix socket. `certificate` is a file with key and chain."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def connected(client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        try:
            if await client.readexactly(len(SSL_REQUEST)) != SSL_REQUEST:
                return
            answer.write(b"S")
            await answer.start_tls(context)
            server, ask = await asyncio.open_unix_connection(socket)
            await asyncio.gather(copy(client, ask), copy(server, answer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other side notices for itself
        finally:
            answer.close()

    async with await asyncio.start_server(connected, address, PORT) as server:
        await server.serve_forever()


async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on what comes until the end, and then the end."""
    try:
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    finally:
        target.close()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
