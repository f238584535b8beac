"""Compiles the modules of the hot path where a C compiler is present.

The sources are plain Python and run without being compiled; compiled they are faster and nothing
else. Everything else about the project stands in pyproject.toml.
"""

from __future__ import annotations

import os

from setuptools import Extension, setup

#: Modules every message passes.
HOT = (
    "sip/grammar.py",
    "sip/uri.py",
    "sip/head.py",
    "sip/headers/via.py",
    "sip/headers/address.py",
    "sip/headers/layout.py",
    "sip/message.py",
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
    "sip/forward.py",
    "sip/proxy.py",
    "sip/aio/ids.py",
    "sip/aio/udp.py",
    "sip/registrar.py",
    "sip/digest/fields.py",
    "sip/digest/credentials.py",
    "sip/digest/nonce.py",
    "pager/identity.py",
    "pager/stats.py",
    "pager/submission.py",
    "pager/service.py",
    "imsnode/identity/peers.py",
    "imsnode/identity/rates.py",
    "imsnode/identity/accounts.py",
    "imsnode/identity/authenticator.py",
    "imsnode/location.py",
    "imsnode/registration.py",
    "imsnode/node.py",
    # Only compiled: recvmmsg and sendmmsg, which Python does not offer.
    "sip/aio/_mmsg.pyx",
)


def extensions() -> list[Extension]:
    """Describe the compiled modules; none without Cython, or when IMSNODE_PURE=1 asks for none."""
    if os.environ.get("IMSNODE_PURE") == "1":
        return []
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    modules = cythonize(
        [Extension(source.rpartition(".")[0].replace("/", "."), [source]) for source in HOT],
        build_dir="build/cython",
        nthreads=os.cpu_count() or 1,
        language_level=3,
        # The types are those of the .pxd files; an annotation alone promises less, since it lets
        # a subclass or None pass.
        compiler_directives={"annotation_typing": False},
        quiet=True,
    )
    for module in modules:
        module.optional = True  # cythonize does not keep the mark
        module.extra_compile_args = ["-O2", "-g0"]  # -O3 -g takes twice as long
    return modules


if __name__ == "__main__":
    setup(ext_modules=extensions(), options={"build_ext": {"parallel": os.cpu_count() or 1}})
