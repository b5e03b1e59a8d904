"""What sending an image from one head to another must do, between two simulated heads and two real ones alike."""

from __future__ import annotations

import threading

from lunops.model import Status
from tests.operations.pair import MIB, Hearing, Pair

OK, CHANGED, FAILED = Status.OK, Status.CHANGED, Status.FAILED


class SendingSuite:
    """Inherit it, and give it a fixture `pair`."""

    def test_an_image_is_brought_whole_marked_and_once(self, pair: Pair) -> None:
        destination = f"{pair.folder}/golden"
        args = pair.args(pair.golden, destination)
        told = pair.send(args, check=True)
        seen_after_check = pair.destination.datasets()
        observer = Hearing()

        first = pair.send(args, observer=observer)
        again = pair.send(args)

        (item,) = first.items
        assert (told.status, seen_after_check) == (CHANGED, {}), told
        assert told.items[0].changes[:-1] == item.changes[:-1]
        assert item.status is CHANGED, item
        assert item.data["how"] == "full"
        assert item.data["bytes"] > 9 * MIB
        assert any(f"full, {item.data['bytes']} bytes in " in line for line in item.changes)
        assert observer.heard[-1][:2] == (destination, item.data["bytes"])
        assert pair.guid(pair.destination, f"{destination}@1") == pair.guid(pair.source, pair.golden) != ""
        assert pair.destination.property(destination, "lunops:managed") == ("1", "local")
        assert pair.destination.property(f"{destination}@1", "lunops:made")[1] == "local"
        assert pair.destination.property(destination, "readonly") == ("on", "local")
        assert (again.status, again.items[0].changes) == (OK, ()), again

    def test_what_is_common_by_guid_is_not_sent_again_and_an_increment_is_taken_back_alone(self, pair: Pair) -> None:
        image = pair.image(3 * MIB)
        destination = f"{pair.folder}/img"
        pair.send(pair.args(f"{image}@1", destination))
        # By any other name it is the same snapshot.
        assert pair.destination.eyes.run(["zfs", "rename", f"{destination}@1", f"{destination}@old"])[0] == 0
        pair.source.eyes.write_data(image, MIB)
        pair.snapshot(image, "2")
        args = pair.args(f"{image}@2", destination)

        undone = pair.send_then_fail(args)
        after_undo = set(pair.destination.datasets())
        result = pair.send(args)

        assert [item.status for item in undone] == [CHANGED], undone
        assert undone[0].changes == (f"zfs destroy {destination}@2", f"zfs rollback {destination}@old")
        assert after_undo == {pair.folder, destination, f"{destination}@old"}
        assert result.items[0].data["how"] == "incremental", result
        assert result.items[0].data["bytes"] < 3 * MIB
        assert f"zfs send -Lec -i {image}@1 {image}@2" in result.items[0].changes[0]
        assert pair.guid(pair.destination, f"{destination}@2") == pair.guid(pair.source, f"{image}@2")

    def test_a_whole_image_is_taken_back_with_the_parents_made_for_it(self, pair: Pair) -> None:
        undone = pair.send_then_fail(pair.args(pair.golden, f"{pair.folder}/deep/golden"))

        assert [item.status for item in undone] == [CHANGED], undone
        assert pair.destination.datasets() == {}

    def test_what_a_killed_receive_and_a_killed_send_left_is_gone_on_with(self, pair: Pair) -> None:
        image, destination = pair.image(24 * MIB), f"{pair.folder}/img"
        args = pair.args(f"{image}@1", destination)
        pair.slow()
        observer = Hearing(5 * MIB, lambda: pair.kill(pair.destination.host.name, "receive"))

        cut = pair.send(args, observer=observer)
        token = pair.token(destination)
        told = pair.send(args, check=True)
        cut_again = pair.send(args, observer=Hearing(5 * MIB, lambda: pair.kill(pair.source.host.name, "send")))
        pair.fast()
        result = pair.send(args)

        (item,) = cut.items
        assert item.status is FAILED, item
        assert f"{pair.destination.host.name}: zfs receive ended by signal 9" in item.error
        assert "goes on" in item.fix
        assert item.left_behind == (f"zfs receive -A {destination}  # on {pair.destination.host.name}",)
        assert token != "-"
        assert told.items[0].data["how"] == "resume", told
        assert f"{pair.source.host.name}: zfs send ended by signal 9" in cut_again.items[0].error
        (resumed,) = result.items
        assert (resumed.status, resumed.data["how"]) == (CHANGED, "resume"), resumed
        assert resumed.data["bytes"] < 24 * MIB
        assert pair.guid(pair.destination, f"{destination}@1") == pair.guid(pair.source, f"{image}@1")
        assert pair.token(destination) == "-"

    def test_a_head_that_is_lost_in_the_middle_fails_its_item_and_is_gone_on_with(self, pair: Pair) -> None:
        image, destination = pair.image(24 * MIB), f"{pair.folder}/img"
        args = pair.args(f"{image}@1", destination)
        pair.slow()

        lost = pair.send(args, observer=Hearing(5 * MIB, lambda: pair.kill_agent(pair.destination)))
        again = pair.send(args, observer=Hearing(5 * MIB, lambda: pair.kill_agent(pair.source)))
        pair.fast()
        result = pair.send(args)

        assert (lost.status, lost.error, lost.items[0].status) == (FAILED, "", FAILED), lost
        assert lost.items[0].error.startswith(f"{pair.destination.host.name}: ")
        assert again.items[0].error.startswith(f"{pair.source.host.name}: "), again
        assert result.items[0].data["how"] == "resume", result
        assert pair.guid(pair.destination, f"{destination}@1") == pair.guid(pair.source, f"{image}@1")

    def test_a_cancelled_run_ends_both_ends_and_is_gone_on_with(self, pair: Pair) -> None:
        image, destination = pair.image(24 * MIB), f"{pair.folder}/img"
        args = pair.args(f"{image}@1", destination)
        pair.slow()
        cancelled = threading.Event()

        cut = pair.send(args, observer=Hearing(5 * MIB, cancelled.set), cancelled=cancelled)
        left = [bench.eyes.run(["pgrep", "-f", "^zfs (send|receive) "])[1] for bench in (pair.source, pair.destination)]
        pair.fast()
        result = pair.send(args)

        assert cut.items[0].error.startswith("cancelled, after "), cut
        assert left == ["", ""]
        assert result.items[0].data["how"] == "resume", result

    def test_a_destination_that_would_lose_something_is_refused_and_its_siblings_go_on(self, pair: Pair) -> None:
        image = pair.image(MIB)
        eyes = pair.destination.eyes
        names = {name: f"{pair.folder}/{name}" for name in ("newer", "written", "unmarked", "foreign", "good")}
        three = [pair.args(f"{image}@1", names[name]) for name in ("newer", "written", "unmarked")]
        assert pair.send(*three).status is CHANGED
        pair.source.eyes.write_data(image, MIB)
        pair.snapshot(image, "2")
        eyes.run(["zfs", "snapshot", f"{names['newer']}@mine"])
        eyes.run(["zfs", "set", "readonly=off", names["written"]])
        eyes.write_data(names["written"], MIB)
        eyes.run(["zfs", "inherit", "lunops:managed", names["unmarked"]])
        eyes.run(["zfs", "create", "-s", "-V", "1M", names["foreign"]])
        eyes.run(["zfs", "snapshot", f"{names['foreign']}@x"])
        before = pair.destination.datasets()

        result = pair.send(*(pair.args(f"{image}@2", name) for name in names.values()))
        after = pair.destination.datasets()
        forced = pair.send(pair.args(f"{image}@2", names["unmarked"], force=["unmarked"]))

        said = {item.key: item for item in result.items}
        assert f"newer snapshots than {names['newer']}@1" in said[names["newer"]].error
        assert f"{names['newer']}@mine" in said[names["newer"]].error
        assert "was written to since" in said[names["written"]].error
        assert f"zfs rollback {names['written']}@1" in said[names["written"]].fix
        assert "own mark" in said[names["unmarked"]].error
        assert "force: [unmarked]" in said[names["unmarked"]].fix
        assert "no snapshot in common" in said[names["foreign"]].error
        assert all(said[name].error.startswith(f"on {pair.destination.host.name}: ") for name in list(said)[:4])
        assert said[names["good"]].status is CHANGED, said
        assert set(after) - set(before) == {names["good"], f"{names['good']}@2"}
        assert forced.items[0].data["how"] == "incremental", forced

    def test_a_part_of_another_snapshot_is_never_gone_on_with(self, pair: Pair) -> None:
        image, destination = pair.image(16 * MIB), f"{pair.folder}/img"
        pair.slow()
        args = pair.args(f"{image}@1", destination)
        cut = pair.send(args, observer=Hearing(3 * MIB, lambda: pair.kill_agent(pair.destination)))
        pair.fast()
        pair.source.eyes.run(["zfs", "destroy", f"{image}@1"])
        pair.snapshot(image, "1")

        result = pair.send(args)

        assert cut.status is FAILED, cut
        (item,) = result.items
        assert item.status is FAILED
        assert f"{destination} on {pair.destination.host.name} holds a part of another snapshot" in item.error
        assert f"zfs receive -A {destination}" in item.fix
