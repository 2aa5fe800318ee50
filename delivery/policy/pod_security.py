"""What a pod may do: of the `restricted` Pod Security Standard what a manifest loses easily, and a little more.

The API server judges the whole standard, since the namespace enforces it. Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

import re
from collections.abc import Iterator
from functools import partial

from delivery.manifests import Object, Render, all_containers, dig, identity, projections
from delivery.policy.rule import Rule, register
from delivery.quantity import amount

RULES: list[Rule] = []
rule = partial(register, RULES)

VOLUMES = {"configMap", "downwardAPI", "emptyDir", "projected", "secret"}
DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")


def context(spec: Object, container: Object, field: str) -> object:
    """A field of the security context that applies to a container: its own, or else its pod's."""
    own = dig(container, "securityContext", field)
    return dig(spec, "securityContext", field) if own is None else own


@rule("restricted-namespace")
def namespace_enforces_restricted(render: Render) -> Iterator[str]:
    for each in render.of("Namespace"):
        for mode in ("enforce", "warn"):
            if dig(each, "metadata", "labels", f"pod-security.kubernetes.io/{mode}") != "restricted":
                yield f"{identity(each)} lacks the label pod-security.kubernetes.io/{mode}: restricted."


@rule("non-root")
def runs_as_a_numbered_user(render: Render) -> Iterator[str]:
    for where, spec, container in render.containers():
        if context(spec, container, "runAsNonRoot") is not True or not context(spec, container, "runAsUser"):
            yield f"{where} may run as root: it needs runAsNonRoot: true and a runAsUser other than 0."


@rule("privilege-escalation")
def cannot_gain_privileges(render: Render) -> Iterator[str]:
    for where, _, container in render.containers():
        own = container.get("securityContext") or {}
        if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
            yield f"{where} may gain privileges: it needs allowPrivilegeEscalation: false and no privileged."


@rule("capabilities")
def has_no_capabilities(render: Render) -> Iterator[str]:
    for where, _, container in render.containers():
        capabilities = dig(container, "securityContext", "capabilities") or {}
        if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
            yield f"{where} keeps capabilities: it needs drop: [ALL] and no add."


@rule("seccomp")
def system_calls_are_filtered(render: Render) -> Iterator[str]:
    for where, spec, container in render.containers():
        profile = context(spec, container, "seccompProfile")
        if dig(profile, "type") != "RuntimeDefault":
            yield f"{where} runs without a seccomp filter: it needs seccompProfile type RuntimeDefault."


@rule("read-only-root")
def root_file_system_is_read_only(render: Render) -> Iterator[str]:
    for where, _, container in render.containers():
        if dig(container, "securityContext", "readOnlyRootFilesystem") is not True:
            yield f"{where} can write to its image: it needs readOnlyRootFilesystem: true."


@rule("host-access")
def the_node_stays_out_of_reach(render: Render) -> Iterator[str]:
    for owner, template in render.pods():
        spec = template["spec"]
        shared = [field for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
        shared += [f"volume {volume['name']}" for volume in spec.get("volumes", []) if not volume.keys() & VOLUMES]
        for container in all_containers(spec):
            shared += [f"port {port['hostPort']}" for port in container.get("ports", []) if "hostPort" in port]
        if shared:
            yield f"{identity(owner)} reaches for the node's {', '.join(shared)}: volumes may be {sorted(VOLUMES)}."


@rule("service-account-token")
def no_token_is_mounted(render: Render) -> Iterator[str]:
    for owner, template in render.pods():
        spec = template["spec"]
        projected = any("serviceAccountToken" in source for source in projections(spec))
        if projected or spec.get("automountServiceAccountToken") is not False:
            yield (
                f"{identity(owner)} mounts a token: it needs automountServiceAccountToken: false, "
                "and no projected serviceAccountToken."
            )


@rule("resources")
def resources_are_said(render: Render) -> Iterator[str]:
    wanted = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))
    for where, _, container in render.containers():
        missing = [".".join(path) for path in wanted if dig(container, "resources", *path) is None]
        if missing:
            yield f"{where} does not say its resources: {', '.join(missing)}."


@rule("limits")
def limits_hold_the_requests(render: Render) -> Iterator[str]:
    for where, _, container in render.containers():
        requests, limits = (dig(container, "resources", part) or {} for part in ("requests", "limits"))
        for name in sorted(requests.keys() & limits.keys()):
            request, limit = amount(requests[name]), amount(limits[name])
            if request is not None and limit is not None and limit < request:
                yield (
                    f"{where} has a limit of {name} of {limits[name]}, less than its request of {requests[name]}: "
                    "the API server refuses its pods."
                )


@rule("image")
def image_is_ours_or_pinned(render: Render) -> Iterator[str]:
    for where, _, container in render.containers():
        if container["image"] != render.own_image and not DIGEST.fullmatch(container["image"]):
            yield (
                f"{where} has image {container['image']}: "
                f"it must be {render.own_image}, which the deploy replaces, or be pinned by digest."
            )
