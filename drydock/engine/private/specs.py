"""The private engines: the programs of each, and the settings and command of its daemon."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: The PATH inside the mount namespace.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_CLIENT = ("docker-cli", "docker-buildx", "docker-compose")
_HOST = ("docker-registry", "iptables", "iproute2", "ca-certificates", "procps")


@dataclass(frozen=True)
class EngineSpec:
    """A private engine. Each has separate images and containers; only one runs at a time.

    :ivar name: the key of its evidence.
    :ivar suite: the Debian suite of its packages.
    :ivar packages: its packages, without those that every engine needs.
    :ivar settings: additional settings of dockerd.
    :ivar compose: whether its client has Compose 5, from PyPI, instead of the suite's Compose 2.
    :ivar programs: a folder whose programs it uses instead of Debian's, "" for none.
    """

    name: str
    suite: str
    packages: tuple[str, ...] = ("docker.io",)
    settings: Mapping[str, Any] = field(default_factory=dict)
    compose: bool = False
    programs: str = ""

    @property
    def podman(self) -> bool:
        """Whether its daemon is Podman's API service instead of dockerd."""
        return "podman" in self.packages

    @property
    def varied(self) -> bool:
        """Whether its base images are variations of the stand-ins."""
        return self.name.endswith(VARIED)

    @property
    def mirror_folder(self) -> str:
        """The name of the folder of its local registry."""
        return f"mirror{VARIED}" if self.varied else "mirror"

    @property
    def folder(self) -> str:
        """The name of its programs folder. Engines with the same packages share it."""
        return f"root-{self.suite}" + ("-podman" if self.podman else "")

    @property
    def path(self) -> str:
        """The PATH inside its mount namespace."""
        return f"{self.programs}:{PATH}" if self.programs else PATH

    @property
    def all_packages(self) -> str:
        """Its packages and those that every engine needs, separated by commas."""
        return ",".join((*self.packages, *_CLIENT, *_HOST))

    @property
    def client_variables(self) -> dict[str, str]:
        """Additional environment variables of the client. Podman's service has no BuildKit: use the classic builder."""
        return {"DOCKER_BUILDKIT": "0"} if self.podman else {}


ENGINE_SPECS = {
    spec.name: spec
    for spec in (
        EngineSpec(
            "docker-28.5-containerd", "forky", settings={"features": {"containerd-snapshotter": True}}, compose=True
        ),
        EngineSpec("docker-28.5", "forky", compose=True),
        EngineSpec("docker-26.1", "trixie"),
        EngineSpec(
            "podman-5.4", "trixie", ("podman", "netavark", "aardvark-dns", "runc", "conmon", "catatonit", "nftables")
        ),
    )
}
#: The end of the name of an engine whose base images are variations of the stand-ins.
VARIED = "-varied"
#: Limits of the builder. By default, it keeps the records of two days' builds: thousands, which slow containerd down.
BUILDER = {"gc": {"defaultMaxUsedSpace": "10GB"}, "history": {"maxAge": "10m", "maxEntries": 50}}
#: The default, and the engine to use if its packages are not available.
PREFERRED_SPEC, FALLBACK_SPEC = "docker-28.5-containerd", "docker-26.1"


def find_spec(name: str, programs: str = "") -> EngineSpec | None:
    """Return the spec with this name, or that of Docker from the folder `programs`; None if there is none.

    :param name: a key of `ENGINE_SPECS`, or with `programs` any name.
    """
    if programs:
        return dataclasses.replace(ENGINE_SPECS[PREFERRED_SPEC], name=name, settings={}, programs=programs)
    spec = ENGINE_SPECS.get(name.removesuffix(VARIED))
    return vary_bases(spec) if spec and name.endswith(VARIED) else spec


def vary_bases(spec: EngineSpec) -> EngineSpec:
    """Return the spec of the same engine with variations of the stand-ins, and its own data folder."""
    return dataclasses.replace(spec, name=f"{spec.name}{VARIED}")


def daemon_command(spec: EngineSpec, home: Path, mirror: str) -> list[str]:
    """Write the daemon's settings, and return its command.

    :param home: the private engine's folder.
    :param mirror: ``host:port`` of the registry that replaces Docker Hub, or "".
    """
    return _podman_command(spec, home, mirror) if spec.podman else _dockerd_command(spec, home, mirror)


def _dockerd_command(spec: EngineSpec, home: Path, mirror: str) -> list[str]:
    mirrors = {"registry-mirrors": [f"http://{mirror}"]} if mirror else {}
    (home / "daemon.json").write_text(json.dumps({"builder": BUILDER, **spec.settings, **mirrors}))
    options = [f"--config-file={home}/daemon.json", f"--data-root={home}/data-{spec.name}", f"--exec-root={home}/exec"]
    return ["dockerd", *options, f"--pidfile={home}/dockerd.pid", f"--host=unix://{home}/docker.sock", "--group=root"]


#: Lowers limits to those of the machine. As root, Podman asks for a million open files per container, and runc refuses
#: that if the hard limit is lower, as it is inside another container.
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


def _podman_command(spec: EngineSpec, home: Path, mirror: str) -> list[str]:
    """Write Podman's settings into the upper folder of the overlay on /etc, and return the service's command."""
    settings = etc_folder(home) / "containers"
    shutil.rmtree(settings, ignore_errors=True)
    shutil.copytree(home / spec.folder / "etc/containers", settings)
    plain = f'location = "{mirror}"\ninsecure = true\n'
    mirrored = f"[[registry.mirror]]\n{plain}[[registry]]\n{plain}" if mirror else ""
    (settings / "registries.conf").write_text(
        f'unqualified-search-registries = ["docker.io"]\n[[registry]]\nlocation = "docker.io"\n{mirrored}'
    )
    data = home / f"data-{spec.name}"
    (settings / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{data}"\nrunroot = "{home}/exec/podman"\n'
    )
    runc = home / "exec" / "bin" / "runc"
    runc.parent.mkdir(parents=True, exist_ok=True)
    runc.write_text(RUNC_WRAPPER)
    runc.chmod(0o755)
    # crun refuses a host with both versions of cgroups mounted; runc does not.
    (settings / "containers.conf").write_text(
        f'[engine]\nruntime = "{runc}"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        f'tmp_dir = "{home}/exec/libpod"\nvolume_path = "{data}/volumes"\n'
        '[containers]\nlog_driver = "k8s-file"\n'
        f'[network]\nfirewall_driver = "nftables"\nnetwork_config_dir = "{data}/networks"\n'
    )
    service = ["podman", "system", "service", "--time=0", f"unix://{home}/docker.sock"]
    # Podman's builder looks for the runtime on the PATH.
    return ["env", f"PATH={runc.parent}:{PATH}", *service]


def etc_folder(home: Path) -> Path:
    """Make the upper and work folders of the overlay on /etc, and return the upper one."""
    for name in ("etc", "etc.work"):
        (home / name).mkdir(exist_ok=True)
    return home / "etc"
