"""A secret goes through `lunops run` and is seen in the kernel, in saveconfig.json and in the records, nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from lunops.cli import run
from lunops.sim.head import SAVECONFIG, SimulatedSystem

CANARY = "canary-s3cret"
PLAYBOOK = """
- name: One target with CHAP
  hosts: all
  tasks:
    - name: Discovery
      lio_discovery: {enable: true, userid: u, password: "{{ secret }}-d"}
    - name: Target
      lio_fragment:
        fragment:
          storage_objects:
            - {plugin: fileio, name: f, dev: /srv/f.img, size: 1048576, wwn: 0b5e2f0c-6d1e-4c7e-9a6b-2f8f0f5f7a11}
          targets:
            - fabric: iscsi
              wwn: iqn.2024-01.org.example:t
              tpgs:
                - tag: 1
                  luns: [{index: 0, storage_object: /backstores/fileio/f}]
                  portals: [{ip_address: 10.0.0.1, port: 3260, iser: ISER}]
                  node_acls:
                    - {node_wwn: "iqn.2024-01.org.example:i", chap_userid: u, chap_password: "{{ secret }}",
                       mapped_luns: [{index: 0, tpg_lun: 0}]}
"""


def test_a_secret_is_in_no_output_of_a_check_a_run_a_failure_or_a_result(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    inventory = tmp_path / "inventory"
    inventory.write_text(f"jbod-01 connection=sim pools=tank state={tmp_path}/head.sim\n")
    variables = tmp_path / "vars.yml"
    variables.write_text(f"secret: {CANARY}\n")
    codes = []
    for name, text in (
        ("good", PLAYBOOK.replace("ISER", "false")),
        ("refused", PLAYBOOK.replace("ISER", "true")),
        ("wrong", PLAYBOOK.replace("ISER", "false").replace('{{ secret }}",', 'NULL{{ secret }}",')),
    ):
        playbook = tmp_path / f"{name}.yml"
        playbook.write_text(text)
        for more in (["--check", "--diff"], ["--diff"], ["--json"]):
            codes.append(run(["run", str(playbook), "-i", str(inventory), "-e", f"@{variables}", *more]))
    said = capfd.readouterr()
    head = SimulatedSystem(tmp_path / "head.sim")
    acl = "/sys/kernel/config/target/iscsi/iqn.2024-01.org.example:t/tpgt_1/acls/iqn.2024-01.org.example:i"
    kept = {
        "kernel": head.read(f"{acl}/auth/password"),
        "saveconfig": head.read(SAVECONFIG),
        "records": head.read("/var/lib/lunops/luns.json"),
    }
    head.close()

    assert codes[:3] == [0, 0, 0]
    assert 0 not in codes[4:]
    assert "********" in said.out
    assert "ib_isert" in said.out
    assert "begins with NULL" in said.out + said.err
    assert CANARY not in said.out + said.err + caplog.text
    assert {place: CANARY in text for place, text in kept.items()} == dict.fromkeys(kept, True)
