"""The kinds of private engine: what each is made from, and how its daemon is set up and started."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Where an engine's programs are, inside its own view of /usr.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_CLIENT = ("docker-cli", "docker-buildx", "docker-compose")
_HOST = ("docker-registry", "iptables", "iproute2", "ca-certificates", "procps")


@dataclass(frozen=True)
class EngineSpec:
    """One kind of private engine. Each keeps images and containers of its own; one runs at a time.

    :ivar name: the key of its evidence.
    :ivar suite: the Debian suite whose packages it is made from.
    :ivar packages: these packages, beside the client's and those that every kind needs.
    :ivar settings: of dockerd, beside those that every kind has.
    """

    name: str
    suite: str
    packages: tuple[str, ...] = ("docker.io",)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def podman(self) -> bool:
        """Whether its daemon is Podman's API service instead of dockerd."""
        return "podman" in self.packages

    @property
    def root(self) -> str:
        """The name of the folder of its programs. Kinds made from the same packages share it."""
        return f"root-{self.suite}" + ("-podman" if self.podman else "")

    @property
    def include(self) -> str:
        """The packages, as mmdebstrap takes them."""
        return ",".join((*self.packages, *_CLIENT, *_HOST))

    @property
    def client(self) -> dict[str, str]:
        """What its client's environment holds beside the address of the engine.

        Podman's service has no BuildKit, and builds what the client's older protocol sends it.
        """
        return {"DOCKER_BUILDKIT": "0"} if self.podman else {}


ENGINE_SPECS = {
    kind.name: kind
    for kind in (
        EngineSpec("docker-28.5", "forky"),
        EngineSpec("docker-28.5-containerd", "forky", settings={"features": {"containerd-snapshotter": True}}),
        EngineSpec("docker-26.1", "trixie"),
        EngineSpec(
            "podman-5.4", "trixie", ("podman", "netavark", "aardvark-dns", "runc", "conmon", "catatonit", "nftables")
        ),
    )
}
#: The kind that is started where none is asked for, and the one for when its packages cannot be had.
PREFERRED_SPEC, FALLBACK_SPEC = "docker-28.5", "docker-26.1"


def daemon_command(kind: EngineSpec, home: Path, mirror: str) -> list[str]:
    """Write the settings of the kind's daemon, and return its command.

    :param home: the private engine's folder.
    :param mirror: ``host:port`` of the registry that stands in for Docker Hub, or "".
    """
    return _podman_command(kind, home, mirror) if kind.podman else _dockerd_command(kind, home, mirror)


def _dockerd_command(kind: EngineSpec, home: Path, mirror: str) -> list[str]:
    mirrors = {"registry-mirrors": [f"http://{mirror}"]} if mirror else {}
    (home / "daemon.json").write_text(json.dumps({**kind.settings, **mirrors}))
    options = [f"--config-file={home}/daemon.json", f"--data-root={home}/data-{kind.name}", f"--exec-root={home}/exec"]
    return ["dockerd", *options, f"--pidfile={home}/dockerd.pid", f"--host=unix://{home}/docker.sock", "--group=root"]


#: Podman asks for a million open files per container, as root on any machine. Where nobody may have so many, as within
#: another container, the runtime would refuse; so it is asked for what there is.
RUNC_WRAPPER = """\
#!/usr/bin/perl
my ($at) = grep { $ARGV[$_] eq "--bundle" } 0 .. $#ARGV;
if (defined $at) {
    my $place = "$ARGV[$at + 1]/config.json";
    my %most = (NOFILE => `sh -c 'ulimit -Hn'`, NPROC => `sh -c 'ulimit -Hu 2>/dev/null || ulimit -Hp'`);
    chomp %most;
    open my $file, "<", $place; local $/; my $settings = <$file>; close $file;
    for my $name (grep { $most{$_} =~ /^\\d+$/ } keys %most) {
        my $least = sub { $_[0] < $most{$name} ? $_[0] : $most{$name} };
        $settings =~ s/(\\{[^{}]*RLIMIT_$name[^{}]*\\})/my $one = $1; $one =~ s{(\\d+)}{$least->($1)}ge; $one/ge;
    }
    open $file, ">", $place; print $file $settings; close $file;
}
exec "/usr/bin/runc", @ARGV;
"""


def _podman_command(kind: EngineSpec, home: Path, mirror: str) -> list[str]:
    """Podman reads its settings from /etc/containers: they go into the folder that is laid over /etc."""
    settings = etc_folder(home) / "containers"
    shutil.rmtree(settings, ignore_errors=True)
    shutil.copytree(home / kind.root / "etc/containers", settings)
    plain = f'location = "{mirror}"\ninsecure = true\n'
    mirrored = f"[[registry.mirror]]\n{plain}[[registry]]\n{plain}" if mirror else ""
    (settings / "registries.conf").write_text(
        f'unqualified-search-registries = ["docker.io"]\n[[registry]]\nlocation = "docker.io"\n{mirrored}'
    )
    data = home / f"data-{kind.name}"
    (settings / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{data}"\nrunroot = "{home}/exec/podman"\n'
    )
    runc = home / "exec" / "bin" / "runc"
    runc.parent.mkdir(parents=True, exist_ok=True)
    runc.write_text(RUNC_WRAPPER)
    runc.chmod(0o755)
    # runc, for crun refuses a host that has both versions of cgroups mounted.
    (settings / "containers.conf").write_text(
        f'[engine]\nruntime = "{runc}"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        f'tmp_dir = "{home}/exec/libpod"\nvolume_path = "{data}/volumes"\n'
        '[containers]\nlog_driver = "k8s-file"\n'
        f'[network]\nfirewall_driver = "nftables"\nnetwork_config_dir = "{data}/networks"\n'
    )
    # Its builder looks for the runtime on the PATH.
    return [
        "env",
        f"PATH={runc.parent}:{PATH}",
        "podman",
        "system",
        "service",
        "--time=0",
        f"unix://{home}/docker.sock",
    ]


def etc_folder(home: Path) -> Path:
    """Return the folder that is laid over the host's /etc for Podman, made if need be."""
    for name in ("etc", "etc.work"):
        (home / name).mkdir(exist_ok=True)
    return home / "etc"
