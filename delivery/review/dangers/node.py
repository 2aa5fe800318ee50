"""What pods may do to the node that they run on, and what holds them back."""

import posixpath
from collections.abc import Iterator

from delivery.manifests import Object, all_containers, dig
from delivery.review.model import Danger
from delivery.review.pod_templates import as_named_after, pod_spec, pod_template

# settings that hold a container back: the values that do so, and what they keep it from
SAFE: dict[str, tuple[tuple[object, ...], str]] = {
    "privileged": ((False, None), "it may do whatever root may do on the node"),
    "allowPrivilegeEscalation": ((False,), "its processes may gain more rights than they start with"),
    "readOnlyRootFilesystem": ((True,), "whoever breaks into it can change its programs"),
    "runAsNonRoot": ((True,), "it may run as root"),
}
HOST = {
    "hostNetwork": "they see the node's own network, past every NetworkPolicy",
    "hostPID": "they see the node's own processes",
    "hostIPC": "they see the node's own shared memory",
}
SOCKETS = ("docker.sock", "containerd.sock", "crio.sock")
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"  # and the container's name: the old way to say it
SYSCTLS = (  # those that touch only the pod itself
    # Source: https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
)  # fmt: skip


def dangers(before: Object | None, after: Object | None) -> Iterator[Danger]:
    if after is None:
        return
    sentences = volume(before, after) if after["kind"] == "PersistentVolume" else pods(before, after)
    yield from (Danger("privilege", sentence) for sentence in sentences)


def volume(before: Object | None, after: Object) -> Iterator[str]:
    path = dig(after, "spec", "hostPath", "path")
    if path and path != dig(before, "spec", "hostPath", "path"):
        yield f"Pods that claim it get the node's folder {path}."


def pods(before: Object | None, after: Object) -> Iterator[str]:
    old, new = pod_spec(before), pod_spec(after)
    if new is None:
        return
    for key, consequence in HOST.items():
        if new.get(key) is True and dig(old, key) is not True:
            yield f"Its pods get {key}: {consequence}."
    if new.get("shareProcessNamespace") is True and dig(old, "shareProcessNamespace") is not True:
        yield "Its containers see each other's processes, with their files and variables (shareProcessNamespace)."
    if dig(old, "hostUsers") is False and new.get("hostUsers") is not False:
        yield "Its pods lose their user namespace: root in a container is root on the node (hostUsers)."
    runtime = dig(old, "runtimeClassName")
    if runtime and runtime != new.get("runtimeClassName"):
        now = new.get("runtimeClassName")
        where = f"runtime class {now}" if now else "the default runtime class"
        yield f"Its pods run in {where} instead of {runtime}: a sandbox that {runtime} gives goes."
    if more := sorted(unsafe_sysctls(new) - unsafe_sysctls(old)):
        yield f"Its pods set kernel parameters that are not known to touch the pod alone: {', '.join(more)}."
    yield from folders(mounts(old), mounts(new))
    known = as_named_after(before, after)
    for container in all_containers({"containers": [], **new}):
        name = str(container.get("name"))
        yield from widened(name, Held(old, known.get(name), before), Held(new, container, after), known)


def shared_mounts(container: Object | None) -> set[str]:
    """Places at which what a container mounts is mounted on the node too."""
    mounted = dig(container, "volumeMounts") or []
    return {str(each.get("mountPath")) for each in mounted if each.get("mountPropagation") == "Bidirectional"}


def unsafe_sysctls(spec: Object | None) -> set[str]:
    return {str(each.get("name")) for each in dig(spec, "securityContext", "sysctls") or []} - {*SYSCTLS}


def mounts(spec: Object | None) -> dict[str, bool]:
    """The node's folders that a pod has, and whether it may write to them; what nothing mounts counts as written."""
    found: dict[str, bool] = {}
    for each in dig(spec, "volumes") or []:
        if path := dig(each, "hostPath", "path"):
            path = posixpath.normpath(str(path))
            uses = [
                mount
                for container in all_containers({"containers": [], **(spec or {})})
                for mount in container.get("volumeMounts") or []
                if mount.get("name") == each.get("name")
            ]
            written = not uses or any(mount.get("readOnly") is not True for mount in uses)
            found[path] = found.get(path, False) or written
    return found


def folders(old: dict[str, bool], new: dict[str, bool]) -> Iterator[str]:
    for path, written in new.items():
        held = [was_written for wider, was_written in old.items() if posixpath.commonpath([wider, path]) == wider]
        if path.endswith(SOCKETS) and not held:
            yield f"Its pods get {path}: whoever has it controls every container of the node."
        elif not held:
            what = "read and change" if written else "read"
            yield f"Its pods mount the node's folder {path}: they can {what} what is in it."
        elif written and not any(held):
            yield f"Its pods may now change what is in the node's folder {path}, which they could only read."


class Held:
    """What holds a container back: its own settings, and its pod's where it has none."""

    def __init__(self, pod: Object | None, container: Object | None, owner: Object | None) -> None:
        self.pod, self.container, self.owner = pod, container, owner

    def setting(self, key: str) -> object:
        own = dig(self.container, "securityContext", key)
        return dig(self.pod, "securityContext", key) if own is None else own

    @property
    def apparmor(self) -> str:
        """The AppArmor profile's type; "" if the pod sets none."""
        found = dig(self.setting("appArmorProfile"), "type")
        if found:
            return str(found)
        annotations = dig(pod_template(self.owner), "metadata", "annotations") or {}
        old = str(annotations.get(f"{APPARMOR}{dig(self.container, 'name')}") or "")
        names = {"runtime/default": "RuntimeDefault", "unconfined": "Unconfined"}
        return "Localhost" if old.startswith("localhost/") else names.get(old, "")

    @property
    def seccomp(self) -> str:
        return str(dig(self.setting("seccompProfile"), "type") or "")

    @property
    def windows_host(self) -> bool:
        return dig(self.setting("windowsOptions"), "hostProcess") is True

    @property
    def may_be_root(self) -> bool:
        return self.setting("runAsNonRoot") is not True and self.setting("runAsUser") is None

    def capabilities(self, part: str) -> set[str]:
        """Capabilities that it adds or drops, without the CAP_ that they may begin with."""
        found = dig(self.container, "securityContext", "capabilities", part) or []
        return {str(each).upper().removeprefix("CAP_") for each in found}


def widened(name: str, old: Held, new: Held, siblings: dict[str, Object]) -> Iterator[str]:
    """What a container may do that it might not; one that is new is held to what all of its pod were held to."""
    olds = [old] if old.container else [Held(old.pod, each, old.owner) for each in siblings.values()]
    for key, (safe, consequence) in SAFE.items():
        now = new.setting(key)
        held = bool(olds) and all(each.setting(key) in safe for each in olds)
        explicit = key == "privileged" or (key == "allowPrivilegeEscalation" and now is True and not olds)
        changed = not old.container or old.setting(key) != now
        if now not in safe and changed and (held or explicit):
            yield f"Container {name}: {key} is {'unset' if now is None else str(now).lower()} now: {consequence}."
    yield from user(name, old, new)
    spread = shared_mounts(new.container) - shared_mounts(old.container)
    if spread:
        yield f"Container {name} mounts on the node too what it mounts at {', '.join(sorted(spread))} (Bidirectional)."
    yield from profiles(name, olds, new)
    taken, had = ({port.get("hostPort") for port in dig(each.container, "ports") or []} - {None} for each in (new, old))
    if opened := sorted(map(str, taken - had)):
        yield f"Container {name} answers on the node's own port {', '.join(opened)}."
    added, before = new.capabilities("add"), old.capabilities("add")
    if more := sorted(added - before if "ALL" not in before else ()):
        yield f"Container {name} gets the capabilities {', '.join(more)}."
    drops, dropped = new.capabilities("drop"), set.intersection(*(each.capabilities("drop") for each in olds or [new]))
    if fewer := sorted(dropped - drops if "ALL" not in drops else ()):
        yield f"Container {name} no longer drops the capabilities {', '.join(fewer)}."


def user(name: str, old: Held, new: Held) -> Iterator[str]:
    if new.setting("runAsUser") == 0 and old.setting("runAsUser") != 0:
        yield f"Container {name} runs as root."
    elif old.container and old.setting("runAsUser") and new.may_be_root and old.setting("runAsNonRoot") is not True:
        yield f"Container {name} runs as the user that its image names, which may be root (runAsUser is unset)."


def profiles(name: str, olds: list[Held], new: Held) -> Iterator[str]:
    was = {each.seccomp for each in olds}
    if new.seccomp == "Unconfined" and "Unconfined" not in was:
        yield f"Container {name}: its system calls are not filtered (seccompProfile is Unconfined)."
    elif not new.seccomp and was and not was & {"", "Unconfined"}:
        yield f"Container {name}: its system calls are no longer filtered, unless the node does so (seccompProfile)."
    was = {each.apparmor for each in olds}
    if new.apparmor == "Unconfined" and "Unconfined" not in was:
        yield f"Container {name}: AppArmor no longer holds it back (appArmorProfile is Unconfined)."
    elif not new.apparmor and was and not was & {"", "Unconfined"}:
        yield f"Container {name}: AppArmor holds it back only if the node does so by itself (appArmorProfile is unset)."
    if new.setting("procMount") == "Unmasked" and all(each.setting("procMount") != "Unmasked" for each in olds):
        yield f"Container {name}: it sees parts of /proc that are hidden otherwise (procMount is Unmasked)."
    if new.windows_host and not any(each.windows_host for each in olds):
        yield f"Container {name} runs as a process of its Windows node (hostProcess)."
    types = {dig(each.setting("seLinuxOptions"), "type") for each in olds}
    now = dig(new.setting("seLinuxOptions"), "type")
    if now and now not in types:
        yield f"Container {name} runs with the SELinux type {now}: see what that lets it do on the node."
