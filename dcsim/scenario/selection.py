"""Which hosts are meant: by their names, their racks, their labels; all that is given holds."""

from collections.abc import Iterator
from typing import Self

from pydantic import Field, model_validator

from dcsim.scenario.base import Spec, wrong
from dcsim.scenario.cluster import Cluster, matching
from dcsim.scenario.document import DataPath
from dcsim.scenario.fabric import Label
from dcsim.scenario.problem import Problem, guess, no_host, some
from dcsim.scenario.standing import no_label


class Selection(Spec):
    """Hosts that are meant, at least one."""

    hosts: str | None = Field(
        default=None, max_length=200, description="name pattern, e.g. rack0/*"
    )
    racks: list[Label] | None = Field(
        default=None, min_length=1, max_length=10_000, description="names or patterns of racks"
    )
    labels: dict[Label, Label] | None = Field(
        default=None, min_length=1, description="labels of hosts, e.g. {zone: a}"
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.hosts is None and self.racks is None and self.labels is None:
            raise wrong("say which hosts: by hosts, racks or labels")
        return self

    @property
    def which(self) -> str:
        """Which hosts are meant, in words."""
        words = [] if self.hosts is None else [self.hosts]
        words += [] if self.racks is None else [some(self.racks)]
        words += [f"{key}={value}" for key, value in (self.labels or {}).items()]
        return " and ".join(words)

    def selected(self, cluster: Cluster) -> list[str]:
        """Return the names of these hosts, in order."""
        return cluster.selected(hosts=self.hosts, racks=self.racks, labels=self.labels)

    def problems(self, cluster: Cluster, path: DataPath) -> Iterator[Problem]:
        """Yield why no host is meant, if none is.

        Parameters
        ----------
        cluster
            All hosts.
        path
            Where this stands in the scenario.
        """
        if self.selected(cluster):
            return
        names = list(cluster.plans)
        faults = []
        if self.hosts is not None and not matching(self.hosts, cluster.plans):
            faults.append(no_host((*path, "hosts"), self.hosts, names))
        racks = dict.fromkeys(name.rpartition("/")[0] for name in names)
        for n, pattern in enumerate(self.racks or []):
            if not matching(pattern, racks):
                message = f"there is no rack {pattern!r}; racks are {some(list(racks))}"
                faults.append(Problem((*path, "racks", n), message, guess(pattern, racks)))
        for key, value in (self.labels or {}).items():
            faults += no_label(cluster, (*path, "labels", key), key, value)
        yield from faults or [Problem(path, f"no host is in all of {self.which}")]


class Among(Selection):
    """Hosts that are meant; all, where nothing is said."""

    @model_validator(mode="after")
    def _some(self) -> Self:
        return self

    @property
    def which(self) -> str:
        """Which hosts are meant, in words."""
        return super().which or "all hosts"
