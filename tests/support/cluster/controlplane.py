"""A real Kubernetes control plane on loopback, without containers.

etcd, the API server, the controller manager and the scheduler are the real ones; kwok stands in for the
kubelets of three nodes in three zones: pods are admitted, scheduled and reported ready, but no image runs.
"""

import json
import os
import secrets
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import trustme

from delivery.tools.program import SHORT_LIVED

PATIENCE_S = 300  # on a machine that is busy with other work, too
BINARIES = Path(__file__).resolve().parents[3] / ".tools" / "controlplane"
STAGES = BINARIES / "stages"
DEFINITIONS = BINARIES.parent / "crds"
ZONES = ("zone-a", "zone-b", "zone-c")
PROXIES = {"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"}
ROOM = {"cpu": "8", "memory": "16Gi", "pods": "110"}


class Cluster:
    """A running control plane and the one way to talk to it: kubectl, as an administrator."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def run(self, *arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl, whatever its exit status."""
        command = [BINARIES / "kubectl", "--kubeconfig", self.kubeconfig, *arguments]
        variables = {**SHORT_LIVED, **os.environ}
        return subprocess.run(command, input=stdin, env=variables, capture_output=True, text=True, check=False)

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """Output of kubectl, which must succeed."""
        result = self.run(*arguments, stdin=stdin)
        assert result.returncode == 0, f"kubectl {' '.join(map(str, arguments))}: {result.stderr}"
        return result.stdout

    def get(self, *arguments: str, stdin: str | None = None) -> Any:
        """What `kubectl get` answers, as objects."""
        return json.loads(self.kubectl("get", *arguments, "--output=json", stdin=stdin))

    def client(self) -> httpx.Client:
        """Return a client of the API server, for what is asked so often that kubectl would take most of the time."""
        config = json.loads(self.kubeconfig.read_text())
        server = config["clusters"][0]["cluster"]
        context = ssl.create_default_context(cafile=server["certificate-authority"])
        headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
        return httpx.Client(base_url=server["server"], headers=headers, verify=context, trust_env=False)

    def remove_namespaces(self, *names: str) -> None:
        """Remove namespaces, and do not wait out the grace of their pods."""
        self.kubectl("delete", "namespace", *names, "--wait=false")
        for name in names:
            self.kubectl("delete", "pods", "--all", "--force", "--grace-period=0", f"--namespace={name}")
        self.kubectl("wait", "--for=delete", "namespace", *names, f"--timeout={PATIENCE_S}s")


@contextmanager
def control_plane(folder: Path, stages: Path = STAGES, *kubelet: str) -> Iterator[Cluster]:
    """Start a control plane whose files and logs are in `folder`; everything ends with the block.

    The life of a pod is in `stages`, kwok's own files unless others are given, and `kubelet` are further flags of kwok.
    """
    if not (BINARIES / ".ready").exists():
        raise FileNotFoundError("The control plane is not built yet: run `make controlplane` first.")
    token = secrets.token_hex(16)
    write_credentials(folder, token)
    etcd, peer, api = free_ports(3)
    kubeconfig = write_kubeconfig(folder, token, api)
    programs = []
    with ExitStack() as stack:

        def start(program: str, *arguments: str) -> None:
            programs.append(stack.enter_context(running(folder, program, *arguments)))

        start(
            "etcd",
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls=http://127.0.0.1:{etcd}",
            f"--advertise-client-urls=http://127.0.0.1:{etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",
        )
        start(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={api}",
            "--endpoint-reconciler-type=none",  # loopback is no address for a Service
            f"--tls-cert-file={folder / 'server.crt'}",
            f"--tls-private-key-file={folder / 'server.key'}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={folder / 'server.key'}",
            f"--service-account-signing-key-file={folder / 'server.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-cluster-ip-range=10.96.0.0/16",
        )
        cluster = Cluster(kubeconfig)
        wait(folder, "the API server", lambda: cluster.run("get", "--raw=/readyz").returncode == 0, programs)
        start(
            "kube-controller-manager",
            f"--kubeconfig={kubeconfig}",
            f"--service-account-private-key-file={folder / 'server.key'}",
            f"--root-ca-file={folder / 'ca.crt'}",
            "--leader-elect=false",
            "--secure-port=0",
            "--horizontal-pod-autoscaler-sync-period=1s",
        )
        start("kube-scheduler", f"--kubeconfig={kubeconfig}", "--leader-elect=false", "--secure-port=0")
        lives = [f"--config={path}" for path in sorted(stages.glob("*.yaml"))]
        start("kwok", f"--kubeconfig={kubeconfig}", "--manage-all-nodes", *lives, *kubelet)
        cluster.kubectl("apply", "--server-side", f"--filename={DEFINITIONS}")
        cluster.kubectl("apply", "--server-side", "--filename=-", stdin=json.dumps(nodes()))
        cluster.kubectl("wait", "--for=condition=Ready", "node", "--all", f"--timeout={PATIENCE_S}s")
        established = ("wait", "--for=condition=Established", "crd", "--all", "--timeout=5s")
        wait(folder, "a CustomResourceDefinition", lambda: cluster.run(*established).returncode == 0, programs)
        wait(folder, "the default ServiceAccount", lambda: not cluster.run("get", "sa", "default").returncode, programs)
        yield cluster


@contextmanager
def running(folder: Path, program: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of the programs with its output in a log file, and end it with the block."""
    variables = {name: value for name, value in os.environ.items() if name not in PROXIES}  # pods are on this machine
    with (folder / f"{program}.log").open("wb") as log:
        process = subprocess.Popen([BINARIES / program, *arguments], env=variables, stdout=log, stderr=log, cwd=folder)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait(folder: Path, what: str, ready: Callable[[], bool], programs: Sequence[subprocess.Popen[bytes]] = ()) -> None:
    """Ask every tenth of a second until `ready`.

    Raises:
        TimeoutError: it took longer than PATIENCE_S, or one of `programs` has ended; says where the logs are.
    """
    end = time.monotonic() + PATIENCE_S
    while not ready():
        if time.monotonic() > end or any(program.poll() is not None for program in programs):
            ended = [str(program.args) for program in programs if program.returncode is not None]
            raise TimeoutError(f"{what} is not ready; ended: {ended or 'none'}; see {folder}/*.log.")
        time.sleep(0.1)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def write_credentials(folder: Path, token: str) -> None:
    """A certificate for the API server, whose key signs service account tokens too, and one administrator."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.crt")
    server = authority.issue_cert("127.0.0.1", "kubernetes.default.svc")
    server.private_key_pem.write_to_path(folder / "server.key")
    server.cert_chain_pems[0].write_to_path(folder / "server.crt")
    (folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")


def write_kubeconfig(folder: Path, token: str, port: int) -> Path:
    name = {"name": "tests"}
    server = {"server": f"https://127.0.0.1:{port}", "certificate-authority": f"{folder / 'ca.crt'}"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{**name, "cluster": server}],
        "users": [{**name, "user": {"token": token}}],
        "contexts": [{**name, "context": {"cluster": "tests", "user": "tests"}}],
        "current-context": "tests",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def nodes() -> dict[str, Any]:
    """One node in each zone, with room for a few dozen pods."""
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": f"node-{zone}",
                    "labels": {
                        "kubernetes.io/hostname": f"node-{zone}",
                        "topology.kubernetes.io/zone": zone,
                        "topology.kubernetes.io/region": "region",
                    },
                },
                "status": {"allocatable": ROOM, "capacity": ROOM},
            }
            for zone in ZONES
        ],
    }
