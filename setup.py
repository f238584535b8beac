"""Compiles the modules of the hot path where a C compiler is present.

The sources are plain Python and run without being compiled; compiled they are faster and nothing
else. Everything else about the project stands in pyproject.toml.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

#: Modules every message passes.
HOT = (
    "sip/limits.py",
    "sip/grammar.py",
    "sip/known.py",
    "sip/uri.py",
    "sip/head.py",
    "sip/headers/via.py",
    "sip/headers/address.py",
    "sip/headers/layout.py",
    "sip/headers/structure.py",
    "sip/message.py",
    "sip/recognise.py",
    "sip/parser.py",
    "sip/framer.py",
    "sip/flow.py",
    "sip/stats.py",
    "sip/timers.py",
    "sip/transaction/keys.py",
    "sip/transaction/client.py",
    "sip/transaction/server.py",
    "sip/transaction/layer.py",
    "sip/endpoint.py",
    "sip/routing.py",
    "sip/dialog.py",
    "sip/forward.py",
    "sip/proxy.py",
    "sip/aio/clock.py",
    "sip/aio/ids.py",
    "sip/aio/udp.py",
    "sip/aio/exchange.py",
    "sip/contact_policy.py",
    "sip/registrar.py",
    "sip/digest/fields.py",
    "sip/digest/credentials.py",
    "sip/digest/algorithms.py",
    "sip/digest/nonce.py",
    "sip/bodies/mediatype.py",
    "sip/bodies/imdn_request.py",
    "pager/contents.py",
    "pager/fanout.py",
    "pager/identity.py",
    "pager/keeper.py",
    "pager/parcels.py",
    "pager/policy.py",
    "pager/recent.py",
    "pager/replay.py",
    "pager/settings.py",
    "pager/shared.py",
    "pager/stats.py",
    "pager/values.py",
    "pager/submission.py",
    "pager/service.py",
    "pager/receipts.py",
    "presence/event/subscription.py",
    "presence/event/notify.py",
    "presence/event/delivery.py",
    "presence/event/rounds.py",
    "presence/packages/presence.py",
    "session_msrp/chunk.py",
    "session_msrp/framer.py",
    "session_msrp/anchor.py",
    "session_msrp/printing.py",
    "session_msrp/transactions.py",
    "session_msrp/hops.py",
    "session_msrp/relay.py",
    "imsnode/identity/peers.py",
    "imsnode/identity/rates.py",
    "imsnode/identity/accounts.py",
    "imsnode/identity/throttle.py",
    "imsnode/identity/principal.py",
    "imsnode/identity/presented.py",
    "imsnode/identity/offers.py",
    "imsnode/identity/authenticator.py",
    "imsnode/storage/archive_place.py",
    "imsnode/storage/archive_queue.py",
    "imsnode/storage/archive_group.py",
    "imsnode/storage/binding_codec.py",
    "imsnode/answers.py",
    "imsnode/location.py",
    "imsnode/registration.py",
    "imsnode/onward.py",
    "imsnode/node.py",
    "imsnode/carbons.py",
    "imsnode/history_observer.py",
    "imsnode/storage/ledger_queue.py",
    "imsnode/storage/ledger_text.py",
    "imsnode/storage/mailboxes.py",
    # Only compiled: recvmmsg and sendmmsg, which Python does not offer.
    "sip/aio/_mmsg.pyx",
)


def compiler_missing() -> str:
    """Name what is missing for a build, or "" when compiling can be tried."""
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"the C compiler {compiler}"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return "Python.h (Debian: python3-dev)"
    return ""


def extensions() -> list[Extension]:
    """Describe the compiled modules; none where they cannot or, by IMSNODE_PURE=1, shall not be."""
    if os.environ.get("IMSNODE_PURE") == "1":
        return []
    if missing := compiler_missing():
        sys.stderr.write(f"imsnode runs interpreted: {missing} is not there\n")
        return []
    try:
        from Cython.Build import cythonize
    except ImportError:
        sys.stderr.write("imsnode runs interpreted: Cython is not there\n")
        return []
    modules = cythonize(
        [Extension(source.rpartition(".")[0].replace("/", "."), [source]) for source in HOT],
        build_dir="build/cython",
        nthreads=os.cpu_count() or 1,
        language_level=3,
        compiler_directives={
            # The types are those of the .pxd files; an annotation alone promises less, since it
            # lets a subclass or None pass.
            "annotation_typing": False,
            # Nobody pickles these classes, and what that takes is a tenth of the code.
            "auto_pickle": False,
            "emit_code_comments": False,
        },
        quiet=True,
    )
    for module in modules:
        module.optional = True  # cythonize does not keep the mark
        # -O3 -g takes twice as long; without the stubs that calls into Python would go through,
        # a twentieth less code has to be fetched for a message.
        module.extra_compile_args = ["-O2", "-g0", "-fno-plt", "-Wno-sign-compare"]
    return modules


class AllOrNone(build_ext):
    """Builds every module or leaves none: compiled modules rely on each other's layout."""

    def initialize_options(self) -> None:
        super().initialize_options()
        self.failures: list[str] = []

    def warn(self, msg: str) -> None:
        self.failures.append(msg)

    def build_extensions(self) -> None:
        super().build_extensions()
        if not self.failures:
            return
        for extension in self.extensions:
            Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)
        reason = self.failures[0].partition("\n")[0][:300]
        sys.stderr.write(f"imsnode runs interpreted: {reason}\n")

    def copy_extensions_to_source(self) -> None:
        """Remove what earlier builds left of modules that are no longer compiled, then copy.

        It would be imported in place of its source.
        """
        wanted = {Path(*extension.name.split(".")) for extension in self.extensions}
        suffix = str(sysconfig.get_config_var("EXT_SUFFIX"))
        for top in {Path(source).parts[0] for source in HOT}:
            for module in Path(top).rglob(f"*{suffix}"):
                if module.with_name(module.name.removesuffix(suffix)) not in wanted:
                    module.unlink()
        super().copy_extensions_to_source()


if __name__ == "__main__":
    setup(
        ext_modules=extensions(),
        cmdclass={"build_ext": AllOrNone},
        options={"build_ext": {"parallel": os.cpu_count() or 1}},
    )
