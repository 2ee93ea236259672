# SPDX-License-Identifier: Apache-2.0
"""The interface for an application in C does what its header says, from interrupts too: tests/zephyr/c_api."""

import time

import pytest

DEVICE = "in-c"


def wait_for_connection(in_c, hub, connections):
    """Waits until the device is on the hub for so many times, and has its subscriptions."""
    hub.wait_for_connections(DEVICE, connections)
    in_c.wait("twin: read", 30)


@pytest.fixture(name="in_c")
def fixture_in_c(device, hub):
    """The application on the hub."""
    device.provision(hub, hub.create_sas(DEVICE))
    wait_for_connection(device, hub, 1)
    return device


def ask(hub, method, **payload):
    """Calls a method of the application; gives its result."""
    status, result = hub.call(DEVICE, method, payload or None)
    assert status == 200, (method, status, result)
    return result


def interrupt(hub, work, after=10, number=0):
    """Has the application's timer do this, in its interrupt, after so many milliseconds."""
    ask(hub, "interrupt", work=work, after=after, number=number)


def wait_for(hub, method, wanted, timeout=60):
    """Waits until a method's result is as wanted; gives it."""
    end = time.monotonic() + timeout
    while not wanted(result := ask(hub, method)):
        assert time.monotonic() < end, result
        time.sleep(0.5)
    return result


def outcome(hub):
    """The outcomes, once a message that was sent has one."""
    return wait_for(hub, "outcomes", lambda seen: seen["delivered"] + seen["dropped"] + seen["other"] > 0)


def test_an_application_that_cannot_run_is_refused_with_its_reason(in_c, hub):
    starts = hub.wait_for_reported(DEVICE, lambda reported: "starts" in reported)["starts"]
    assert [starts[start] for start in ("null", "twice", "bare", "again")] == ["EINVAL", "EINVAL", "EINVAL", "EALREADY"]
    assert starts["early"] == "EAGAIN"
    assert in_c.says(r'azure_iot_hub_start: streams: "twin" is there twice: name one otherwise')
    assert in_c.says(r"azure_iot_hub_start: reported\[0\] lacks a function: none may be NULL")


def test_of_two_threads_that_start_a_device_one_does(in_c, hub):  # pylint: disable=unused-argument
    starts = hub.wait_for_reported(DEVICE, lambda reported: "starts" in reported)["starts"]
    assert starts["rounds"] > 0
    assert starts["successes"] == starts["rounds"]
    assert starts["other"] == 0


def test_a_message_of_an_interrupt_is_sent_and_its_delivery_is_told(in_c, hub):  # pylint: disable=unused-argument
    interrupt(hub, "send")
    event = hub.events(DEVICE, 1)[0]
    assert event["payload"] == {"from": "interrupt"}
    assert event["properties"]["application"]["source"] == "interrupt"
    assert event["properties"]["system"]["correlation_id"] == "call"
    seen = outcome(hub)
    assert seen["inInterrupt"] is True and seen["userData"] is True
    assert (seen["delivered"], seen["dropped"], seen["other"]) == (1, 0, 0)


def test_a_message_of_an_interrupt_at_most_once_is_told_when_it_was_sent(in_c, hub):  # pylint: disable=unused-argument
    interrupt(hub, "sendAtMostOnce")
    assert hub.events(DEVICE, 1)[0]["payload"] == {"from": "interrupt"}
    assert outcome(hub)["delivered"] == 1


def test_a_message_at_most_once_without_a_connection_is_told_as_dropped(in_c, hub):
    interrupt(hub, "sendAtMostOnce", after=4000)
    hub.kill()
    in_c.wait("messages are dropped", 30)
    hub.start()
    wait_for_connection(in_c, hub, 2)
    seen = outcome(hub)
    assert (seen["delivered"], seen["dropped"], seen["other"]) == (0, 1, 0)


def test_messages_that_newer_ones_push_out_are_told_as_dropped(in_c, hub):
    interrupt(hub, "flood", after=3000, number=80)
    hub.kill()
    in_c.wait("messages are dropped", 60)
    time.sleep(3)
    hub.start()
    wait_for_connection(in_c, hub, 2)
    seen = wait_for(hub, "outcomes", lambda seen: seen["delivered"] + seen["dropped"] >= 8)
    assert seen["dropped"] >= 8 and seen["other"] == 0
    assert seen["accepted"] > 8


def test_messages_that_cannot_be_taken_are_refused_at_once(in_c, hub):  # pylint: disable=unused-argument
    for work, errno in (("tooLong", "EMSGSIZE"), ("noJson", "EINVAL")):
        interrupt(hub, work)
        seen = wait_for(hub, "outcomes", lambda seen, errno=errno: seen["last"] == errno)
        assert (seen["delivered"], seen["dropped"], seen["other"]) == (0, 0, 0)


def test_a_stream_asked_for_in_an_interrupt_writes_bytes_with_properties(in_c, hub):  # pylint: disable=unused-argument
    interrupt(hub, "request")
    event = hub.events(DEVICE, 1)[0]
    assert event["payload"] == "a parcel"
    assert event["properties"]["application"]["colour"] == "blue & green"
    system = event["properties"]["system"]
    assert (system["content_type"], system["correlation_id"]) == ("text/plain", "order-7")
    assert event["component"] == "hatch"


def test_an_interval_set_in_an_interrupt_is_in_force_and_ends(in_c, hub):  # pylint: disable=unused-argument
    interrupt(hub, "setInterval", number=500)
    assert all(event["payload"] == {"beat": True} for event in hub.events(DEVICE, 4))
    # AZURE_IOT_HUB_ON_REQUEST: the interval of the stream's table.
    interrupt(hub, "setInterval", number=0)
    time.sleep(2)
    before = ask(hub, "status")["messages"]
    time.sleep(3)
    assert ask(hub, "status")["messages"] == before


def test_the_timer_of_an_application_runs_once_and_can_be_stopped(in_c, hub):  # pylint: disable=unused-argument
    interrupt(hub, "setTimer", number=1000)
    assert hub.events(DEVICE, 1)[0]["payload"] == {"from": "timer"}
    interrupt(hub, "setTimer", number=4000)
    interrupt(hub, "setTimer", number=0)
    time.sleep(6)
    assert ask(hub, "events")["timer"] == 1


def test_the_status_in_c_is_that_of_the_device(in_c, hub):
    interrupt(hub, "send")
    outcome(hub)
    status = wait_for(hub, "status", lambda status: status["acknowledged"] == 1)
    assert (status["connected"], status["connections"], status["messages"]) == (True, 1, 1)
    assert (status["queued"], status["dropped"], status["null"]) == (0, 0, "EINVAL")
    hub.kill()
    in_c.wait("TCP: nobody listens", 30)
    hub.start()
    wait_for_connection(in_c, hub, 2)
    status = wait_for(hub, "status", lambda status: status["connections"] == 2)
    assert status["connected"] is True
    assert status["failures"] >= 1 and status["lastFailure"]


def test_a_device_in_c_stops_and_starts_again_with_its_values(in_c, hub):
    interrupt(hub, "keep", number=42)
    in_c.wait("kept value nothing: its function gave -[0-9]+; it is not stored", 30)
    hub.wait_for_reported(DEVICE, lambda reported: reported["hatch"]["level"]["value"] == {"kept": 42})
    ask(hub, "cycle", pause=3000)
    in_c.wait("stopped by the application", 30)
    wait_for_connection(in_c, hub, 2)
    assert ask(hub, "kept") == 42
    events = wait_for(hub, "events", lambda events: events["connected"] == 2)
    assert events["stopping"] >= 1 and events["timeSet"] >= 1


def test_a_value_of_an_application_in_c_survives_a_restart(in_c, hub, restart):
    if not in_c.lasting:
        pytest.skip("the simulated flash of this board ends with QEMU")
    interrupt(hub, "keep", number=7)
    in_c.wait("kept value nothing", 30)
    hub.wait_for_reported(DEVICE, lambda reported: reported["hatch"]["level"]["value"] == {"kept": 7})
    restart()
    wait_for_connection(in_c, hub, 2)
    assert ask(hub, "kept") == 7


def test_a_letter_is_acknowledged_later_from_an_interrupt(in_c, hub):  # pylint: disable=unused-argument
    hub.send(DEVICE, "letter", "--ack", "full", "--message-id", "first", "--property", "when=later")
    wait_for(hub, "letters", lambda seen: seen["letters"] == 1)
    status, _ = hub.rest("GET", "/messages/serviceBound/feedback")
    assert status == 204
    interrupt(hub, "acknowledge")
    assert [record["originalMessageId"] for record in hub.feedback()] == ["first"]
    assert ask(hub, "outcomes")["last"] == "0"


def test_a_letter_that_was_not_acknowledged_comes_again(in_c, hub):
    hub.send(DEVICE, "letter", "--property", "when=later")
    wait_for(hub, "letters", lambda seen: seen["letters"] == 1)
    ask(hub, "cycle", pause=100)
    in_c.wait("stopped by the application", 30)
    wait_for_connection(in_c, hub, 2)
    assert wait_for(hub, "letters", lambda seen: seen["letters"] == 2)["again"] == 1
    interrupt(hub, "acknowledge")
    time.sleep(2)
    ask(hub, "cycle", pause=100)
    wait_for_connection(in_c, hub, 3)
    time.sleep(3)
    assert ask(hub, "letters")["letters"] == 2


def test_c_reads_each_kind_of_json(in_c, hub):  # pylint: disable=unused-argument
    answer = hub.call(DEVICE, "readJson", {"flag": True, "list": [1, 2e3], "tenths": 21.5})
    assert answer == (200, {"flag": True, "second": 2000, "tenths": 21.5})
    assert hub.call(DEVICE, "readJson", {"flag": 1})[0] == 400


def test_what_c_writes_and_is_no_json_is_named_in_the_log(in_c, hub):
    reported = hub.wait_for_reported(DEVICE, lambda reported: "starts" in reported)
    assert "tooMuch" not in reported and "nonsense" not in reported
    assert in_c.says("property tooMuch: its value of 256 bytes does not fit CONFIG_AZURE_C_API_JSON_SIZE")
    assert in_c.says("property nonsense: its value is no JSON")
    assert hub.call(DEVICE, "nonsense")[0] == 500
    in_c.wait("method nonsense: its result is no JSON", 30)


def test_a_refusal_without_a_reason_gets_the_devices(in_c, hub):  # pylint: disable=unused-argument
    version = hub.desire(DEVICE, hatch={"__t": "c", "level": "high"})
    reported = hub.wait_for_reported(DEVICE, lambda reported: reported["hatch"]["level"].get("av") == version)
    level = reported["hatch"]["level"]
    assert (level["ac"], level["ad"]) == (400, "the device refuses the value")


def test_c_restarts_the_processor_from_an_interrupt(in_c, hub):
    interrupt(hub, "restart", after=500)
    in_c.wait("restarting, as an operator asked for", 30)
    in_c.wait("Azure IoT Hub device", 60)
    if in_c.lasting:
        wait_for_connection(in_c, hub, 2)
