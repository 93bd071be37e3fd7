"""The shipped nginx configuration, made to run on this machine: other ports and folders, not another behaviour."""

from __future__ import annotations

import shutil
from pathlib import Path


def write_configuration(source: Path, target: Path, *, port: int, nodes: list[int]) -> Path:
    """Copy `deploy/nginx` to `target` with `nodes` (ports) behind it and `port` before it; gives nginx.conf's path.

    The access log is `target/access.log`.
    """
    shutil.copytree(source, target, dirs_exist_ok=True)
    upstream = (target / "upstream.conf").read_text()
    for name, node in zip(("api-a:8000", "api-b:8000"), nodes, strict=True):
        assert name in upstream
        upstream = upstream.replace(name, f"127.0.0.1:{node}")
    (target / "upstream.conf").write_text(upstream)
    site = (target / "site.conf").read_text()
    assert "listen 8080;" in site
    (target / "site.conf").write_text(site.replace("listen 8080;", f"listen 127.0.0.1:{port};"))
    main = target / "nginx.conf"
    main.write_text(
        main.read_text().replace("/tmp/prosa-nginx", f"{target}/run").replace("/dev/stdout", f"{target}/access.log")
    )
    return main
