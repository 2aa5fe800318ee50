"""A small git repository with two commits."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from delivery.review.acceptances import Text
from delivery.review.model import Review
from delivery.review.run import review

WHO = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]


@dataclass(frozen=True)
class Repository:
    folder: Path

    @classmethod
    def create(cls, folder: Path) -> "Repository":
        folder.mkdir()
        repository = cls(folder)
        repository.git("init", "-q", "-b", "main")
        return repository

    def git(self, *arguments: str) -> str:
        command = ["git", *WHO, "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, texts: dict[str, str]) -> str:
        """Commit these files and no others: a whole tree, or those of its only overlay, dev."""
        for old in self.folder.iterdir():
            if old.is_file():
                old.unlink()
            elif old.name != ".git":
                shutil.rmtree(old)
        whole = any(name.startswith("overlays/") for name in texts)
        files(self.folder if whole else self.folder / "overlays" / "dev", texts)
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", "A state of the manifests")
        return self.git("rev-parse", "HEAD")

    def review(self, out: Path, base: str = "HEAD^", head: str = "HEAD", text: Text | None = None) -> Review:
        return review(base, head, out, self.folder, text)


def files(folder: Path, texts: dict[str, str]) -> Path:
    """The folder, with these files written into it."""
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder
