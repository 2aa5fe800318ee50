"""A real SMTP server on loopback that wants TLS and a login, and keeps what it gets."""

import ssl
import time
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, Self

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


@dataclass(frozen=True)
class Mail:
    """A mail as a person would see it, and when it came (seconds since 1970)."""

    sender: str
    to: str
    subject: str
    text: str
    received: float

    @classmethod
    def parse(cls, content: bytes) -> "Mail":
        message = message_from_bytes(content, policy=policy.default)
        body = message.get_body(("plain",))
        assert body is not None, content
        return cls(message["From"], message["To"], message["Subject"], body.get_content(), time.time())

    def __str__(self) -> str:
        return f"From: {self.sender}\nTo: {self.to}\nSubject: {self.subject}\n\n{self.text}"


class Mailbox:
    """A context manager; Alertmanager trusts it with SSL_CERT_FILE set to `certificate`."""

    def __init__(self, port: int, user: str, password: str, folder: Path) -> None:
        self.mails: list[Mail] = []
        authority = trustme.CA()
        self.certificate = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.certificate))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("localhost").configure_cert(context)

        def authenticate(
            _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: LoginPassword
        ) -> AuthResult:
            expected = (user.encode(), password.encode())
            return AuthResult(success=(given.login, given.password) == expected)

        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=port,
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=authenticate,
            auth_exclude_mechanism=["LOGIN"],  # its challenge is spelt as Alertmanager does not expect it
        )

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append(Mail.parse(envelope.content))
        return "250 Message accepted for delivery"
