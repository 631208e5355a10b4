"""How a migration's bytes travel: channels, compression, deltas, encryption, disks.

All of it is off unless asked for. Defaults are QEMU's; labels such as [C.1] are sections of
docs/facts.md, and "assumption" marks a number without a public source: sweep it.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from dcsim.errors import did_you_mean
from dcsim.scenario.base import Later, Spec, switch
from dcsim.scenario.quantities import Count, Duration, Extent, Positive, Rate, Size, written

COMPRESSION: Final[dict[str, dict[str, Any]]] = {
    # Silesia data, 8 channels: derived in [C.8]; the time of a page is what 8 busy threads took,
    # less sending.
    "zstd": {"ratio": 2.89, "per_page": "9.7us"},
    # In hardware, by four accelerators: the time is an upper bound, for the link was full.
    "qatzip": {"ratio": 2.87, "per_page": "0.88us"},
}
ENCRYPTION: Final[dict[str, dict[str, Any]]] = {
    # libvirt's tunnel: 5.40 s for each GiB of the guest's memory [B.2].
    "libvirt-tunnel": {"by": "tunnel", "rate": "190MiB/s"},
}


def _named(noun: str, table: Mapping[str, Mapping[str, Any]]) -> BeforeValidator:
    """Read a name as the settings that stand under it."""

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value in table:
            return dict(table[value])
        close = did_you_mean(value, table)
        hint = f"; did you mean '{close}'?" if close else ""
        raise ValueError(f"unknown {noun} {value[:80]!r}; legal names are {', '.join(table)}{hint}")

    return BeforeValidator(read)


class Compression(Spec):
    """Compress pages in the channels' threads."""

    ratio: float = Field(ge=1, le=1e4, description="bytes of a page over those it is sent as")
    per_page: Duration = Field(description="thread's time to compress a page")


class Multifd(Spec):
    """Send pages in packets over several channels, each with a thread at either end [C.1]."""

    channels: Count = Field(default=2, ge=1, le=255)
    packet: Annotated[Size, Field(ge=4096)] = Field(
        default=written("512KiB"), description="pages of one packet, in bytes"
    )
    packet_header: Size = Field(default=written("320B"), description="bytes beside each packet")
    page_header: Size = Field(default=written("8B"), description="bytes in it for each page")
    zero_page: Size = Field(default=written("8B"), description="the same for a zero page")
    zero_page_detection: Literal["multifd", "legacy"] = Field(
        default="multifd",
        description="who scans zero pages: the channels' threads (QEMU 9 and later), or the main "
        "thread, which also sends them",
    )
    compression: Annotated[Compression | None, Later(), _named("compression", COMPRESSION)] = Field(
        default=None, description="a name, or ratio and per_page; unset: none"
    )

    def _idle(self) -> Collection[str]:
        return {"zero_page"} if self.zero_page_detection == "legacy" else ()


class Xbzrle(Spec):
    """Send what changed in a page that was sent before and is still in a cache [C.2]."""

    cache: Extent = Field(
        default=written("64MiB"),
        description="of pages as they were last sent [C.1]; or its share of the guest's memory",
    )
    delta: Size = Field(
        description="encoded length of what writes change in a page between two sendings: the "
        "bytes, and 3 for each run of them"
    )
    encode: Duration = Field(
        default=written("1us"),
        description="sending thread's time to compare a page with the cache (assumption)",
    )


class Encryption(Spec):
    """Encrypt the stream of memory: TLS in the threads that send, or a tunnel beside them."""

    by: Literal["sender", "tunnel"] = Field(
        default="sender",
        description="who encrypts: the sending threads, between pages; or a process of its own",
    )
    rate: Annotated[Rate, Positive] = Field(description="what one thread can encrypt")


class Block(Spec):
    """Copy local disks before the memory, and mirror what is written to them meanwhile."""

    bandwidth: Annotated[Rate, Positive] | None = Field(
        default=None, description="cap of one copy; unset: none"
    )


OptionalBlock = Annotated[Block | None, Later(), BeforeValidator(switch)]
OptionalMultifd = Annotated[Multifd | None, Later(), BeforeValidator(switch)]
OptionalEncryption = Annotated[Encryption | None, Later(), _named("encryption", ENCRYPTION)]
