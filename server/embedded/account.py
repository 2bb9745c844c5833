"""Under whom Postgres runs, since it refuses to run as root.

An ordinary user runs it as himself. Root runs it under a uid that nothing else has, or under the owner of a cluster
that an ordinary user made. Whatever runs it, setpriv (util-linux) starts it, so that it dies with its parent.
"""

import os
import pwd
import shutil
from pathlib import Path

from msgspec import Struct

from server.embedded.failure import EmbeddedError

OWN_UID = 60700
"""Between the ranges that distributions (≤ 59999) and systemd (60001–60513, 61184–65519) hand out; needs no account."""

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_SETPCAP = 1, 2, 8


class Account(Struct, frozen=True):
    """A uid and gid to run under, and `root` when we have to change to them."""

    uid: int
    gid: int
    root: bool

    @classmethod
    def owning(cls, cluster: Path) -> "Account":
        """The account for the cluster in this folder, made or not. Raises EmbeddedError when it is another user's."""
        me = os.geteuid()
        if not cluster.exists():
            return cls(OWN_UID, OWN_UID, root=True) if me == 0 else cls(me, os.getegid(), root=False)
        owner = cluster.stat()
        if me not in (0, owner.st_uid):
            raise EmbeddedError(
                f"{cluster} belongs to uid {owner.st_uid}: start as that user or as root, or choose another folder."
            )
        return cls(owner.st_uid, owner.st_gid, root=me == 0)

    @classmethod
    def making(cls, owner: "Account") -> "Account":
        """The account to run initdb under: unlike Postgres itself, initdb insists on an entry in the user database."""
        try:
            pwd.getpwuid(owner.uid)
        except KeyError:
            if not owner.root:
                raise EmbeddedError(
                    f"uid {owner.uid} has no entry in the user database, which initdb needs: add one to /etc/passwd."
                ) from None
            return cls._nobody()
        return owner

    @classmethod
    def _nobody(cls) -> "Account":
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            raise EmbeddedError("There is no account 'nobody' for initdb: start as an ordinary user.") from None
        return cls(nobody.pw_uid, nobody.pw_gid, root=True)

    def own(self, path: Path) -> None:
        """Hand a file or a whole folder, which we made, to this account."""
        if not self.root:
            return
        os.chown(path, self.uid, self.gid, follow_symlinks=False)
        for _, folders, files, descriptor in os.fwalk(path):
            for name in folders + files:
                os.chown(name, self.uid, self.gid, dir_fd=descriptor, follow_symlinks=False)

    def launcher(self, reached: list[Path]) -> list[str]:
        """The words before a command that run it under this account and end it (SIGINT) when our thread ends.

        `reached` are the folders that it has to enter. Where a folder above them is closed to the account (a clone in
        a 0700 home), it gets the one capability that reads past closed doors; no permission is changed.
        Raises EmbeddedError when that is not to be had.
        """
        setpriv = shutil.which("setpriv", path=os.environ.get("PATH", os.defpath) + ":/usr/bin:/bin")
        if setpriv is None:
            raise EmbeddedError("setpriv is missing: install the package util-linux.")
        words = [setpriv, "--pdeathsig", "INT"]
        if self.root:
            words += ["--reuid", str(self.uid), "--regid", str(self.gid), "--clear-groups"]
            closed = next((folder for path in reached for folder in path.parents if not self._enters(folder)), None)
            if closed is not None:
                words += _capability(closed)
        return [*words, "--"]

    def _enters(self, folder: Path) -> bool:
        facts = folder.stat()
        if facts.st_uid == self.uid:
            return bool(facts.st_mode & 0o100)
        return bool(facts.st_mode & 0o001)


def _capability(closed: Path) -> list[str]:
    """The words that hand down DAC_READ_SEARCH, or DAC_OVERRIDE where a container kept only that.

    no_setuid_fixup makes access(2), with which Postgres looks for its own binary, heed the capability (securebits in
    capabilities(7)).
    """
    bounding = _bounding_set()
    for bit, name in ((CAP_DAC_READ_SEARCH, "+dac_read_search"), (CAP_DAC_OVERRIDE, "+dac_override")):
        if bounding >> bit & 1 and bounding >> CAP_SETPCAP & 1:
            return ["--inh-caps", name, "--ambient-caps", name, "--securebits", "+no_setuid_fixup"]
    raise EmbeddedError(
        f"Postgres does not run as root, and no other user can enter {closed}: choose a data folder and an "
        "installation outside it, or start as an ordinary user."
    )


def _bounding_set() -> int:
    status = Path("/proc/self/status").read_text("ascii", errors="replace")
    return next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd:")), 0)
