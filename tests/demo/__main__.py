"""Show lunops at work: certificates, a service with mutual TLS, a batch of clones, its status, its removal."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.service import LUNOPS, Service

LAB = Path(__file__).parents[1] / "lab" / "lab"
INITIATORS = ("iqn.2024-01.org.example:node1", "iqn.2024-01.org.example:node2")


def main() -> None:
    """Run the demo on the head asked for."""
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--head", choices=("sim", "lab"), default="sim", help="a simulated head, or a real kernel")
    head = parser.parse_args().head
    with tempfile.TemporaryDirectory(prefix="lunops-demo-") as name:
        folder = Path(name)
        if head == "sim":
            demo(folder, "[heads]\njbod-01 connection=sim pools=jbod-01-p01 state=jbod-01.sim\n", portal="")
            return
        title("A real storage head: ZFS and the kernel's target, in a virtual machine")
        heads = json.loads(lab("up", "--json"))
        print(f"{heads[0]['name']} is up: pool {heads[0]['pool']}, iSCSI portal {heads[0]['portal']}")
        demo(folder, lab("inventory"), portal=heads[0]["portal"])
        print(f"\nThe head stays up for more: {LAB.relative_to(Path.cwd())} ssh jbod-01; … down ends it.")


def demo(folder: Path, inventory: str, *, portal: str) -> None:
    """Run everything in a folder, on the head jbod-01 of the inventory."""
    title("Certificates, and the service with mutual TLS")
    service = Service(folder, inventory, say=lambda text: print(text, flush=True))
    service.start()
    try:
        clones = [
            {
                "src": "jbod-01-p01/images/golden@1",
                "dst": f"jbod-01-p01/nodes/node{number}",
                "wwn": f"iqn.2024-01.org.example:disk.node{number}",
                "initiators": [INITIATORS[number - 1]],
                "createParent": True,
            }
            for number in (1, 2)
        ]
        title("One batch: two clones of the golden image, each for one node")
        complete(service.finished(service.submit("POST", clones)))
        title("The same from a plan file: what would change, now that all is there")
        plan(folder, clones)
        if portal:
            boot_nodes(portal)
        title("Its removal")
        removal = [{"dst": one["dst"], "wwn": one["wwn"], "deleteClones": True} for one in clones]
        complete(service.finished(service.submit("DELETE", removal)))
    finally:
        service.stop()


def plan(folder: Path, clones: list[dict[str, object]]) -> None:
    """Show the create playbook in check mode on the same batch."""
    batch = [
        {"src": one["src"], "dst": one["dst"], "wwn": one["wwn"], "initiators": one["initiators"]} for one in clones
    ]
    (folder / "batch.yml").write_text(json.dumps({"clones": batch}, indent=1))
    words = ["run", "create-batch.yml", "-i", "inventory", "-e", "@batch.yml", "--check", "--diff"]
    print("$ lunops " + " ".join(words), flush=True)
    subprocess.run([*LUNOPS, *words], cwd=folder, check=True, timeout=300)


def boot_nodes(portal: str) -> None:
    """Boot two diskless nodes from their clones, the first one twice, and one that is not allowed."""
    from tests.lab.nodes import boot_node

    title("Two nodes boot diskless, each from its own clone; the first one twice")
    first = boot_node(portal, "iqn.2024-01.org.example:disk.node1", INITIATORS[0], mark="first-boot")
    again = boot_node(portal, "iqn.2024-01.org.example:disk.node1", INITIATORS[0], mark="second-boot")
    other = boot_node(portal, "iqn.2024-01.org.example:disk.node2", INITIATORS[1], mark="other-node")
    stranger = boot_node(portal, "iqn.2024-01.org.example:disk.node2", "iqn.2024-01.org.example:stranger")
    for what, boot in (("node1", first), ("node1 again", again), ("node2", other), ("a stranger", stranger)):
        booted = f"booted in {boot.seconds:.1f} s; its disk has the marks {list(boot.marks)}"
        print(f"{what}: {booted if boot.booted else 'refused'}")
    good = first.booted and again.marks == ("first-boot", "second-boot") and other.marks == ("other-node",)
    if not good or stranger.booted:
        sys.exit("the nodes did not see what they should: " + stranger.console[-2000:])


def complete(status: dict[str, object]) -> None:
    """End the demo unless the job is complete."""
    if status["status"] != "complete":
        sys.exit(f"the job did not complete: {status}")


def lab(*words: str) -> str:
    """Run the lab's command and return what it prints."""
    return subprocess.run([LAB, *words], stdout=subprocess.PIPE, text=True, check=True, timeout=3600).stdout


def title(text: str) -> None:
    """Print the heading of a step."""
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    main()
