"""A device made of Microsoft's SDK (azure-iot-device), told by its standard input what to do.

The first line says who it is, each further line is one command; both are JSON objects:

    {"connection_string": TEXT, "ca": FILE, "certificate": FILE, "key": FILE}
    {"id": 1, "do": "connect"}

Each command is answered on standard output by {"reply": ID, "causes": [TEXT, ...]}; the causes are those of
the exception that the SDK raised, if it did. What the SDK calls back with is an {"event": ...} in between. At
the end of its input the device says goodbye. Nothing is judged here: the test does that.
"""

import json
import sys
import threading

from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient, Message, MethodResponse, X509

# Seconds between the SDK's attempts after a lost connection; its own default is 10.
RETRY_INTERVAL = 1

output = threading.Lock()


def say(**fields):
    """Writes one line; the SDK calls back on threads of its own."""
    with output:
        print(json.dumps(fields), flush=True)


def parse(connection_string):
    """A connection string's fields."""
    return dict(part.split("=", 1) for part in connection_string.split(";"))


def client(who):
    """The SDK's client for this identity, in its default configuration where that can be waited for."""
    with open(who["ca"], encoding="ascii") as file:
        options = {"server_verification_cert": file.read(), "connection_retry_interval": RETRY_INTERVAL}
    fields = parse(who["connection_string"])
    if "certificate" in who:
        x509 = X509(cert_file=who["certificate"], key_file=who["key"])
        return IoTHubDeviceClient.create_from_x509_certificate(
            x509=x509, hostname=fields["HostName"], device_id=fields["DeviceId"], **options
        )
    kind = IoTHubModuleClient if "ModuleId" in fields else IoTHubDeviceClient
    return kind.create_from_connection_string(who["connection_string"], **options)


def message_received(message):
    """Tells all that the SDK made of a cloud-to-device message."""
    say(
        event="message",
        body=message.data.decode(),
        message_id=message.message_id,
        correlation_id=message.correlation_id,
        user_id=message.user_id,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        ack=message.ack,
        properties=message.custom_properties,
    )


def receive(device):
    """Subscribes to cloud-to-device messages."""
    device.on_message_received = message_received


def send(device, body, properties, **system):
    """Sends telemetry; returns once the hub has acknowledged it."""
    message = Message(body)
    message.custom_properties = properties
    for name, value in system.items():
        setattr(message, name, value)
    device.send_message(message)


def get_twin(device):
    """Reads the whole twin."""
    say(event="twin", twin=device.get_twin())


def report(device, properties):
    """Changes reported properties; returns once the hub has taken them."""
    device.patch_twin_reported_properties(properties)


def watch(device):
    """Subscribes to changes of desired properties."""
    device.on_twin_desired_properties_patch_received = lambda patch: say(event="desired", patch=patch)


def answer(device, status):
    """Answers every direct method with this status and what it was called with."""

    def respond(request):
        payload = {"name": request.name, "payload": request.payload}
        response = MethodResponse.create_from_method_request(request, status, payload)
        device.send_method_response(response)

    device.on_method_request_received = respond


COMMANDS = {
    "connect": lambda device: device.connect(),
    "disconnect": lambda device: device.disconnect(),
    "receive": receive,
    "send": send,
    "get_twin": get_twin,
    "report": report,
    "watch": watch,
    "answer": answer,
}


def causes(error):
    """An exception and what led to it, in words."""
    while error is not None:
        yield f"{type(error).__name__}: {error}"
        error = error.__cause__


def main():
    device = client(json.loads(sys.stdin.readline()))
    device.on_connection_state_change = lambda: say(event="connection", connected=device.connected)
    device.on_background_exception = lambda error: say(event="exception", causes=list(causes(error)))
    for line in sys.stdin:
        command = json.loads(line)
        number, do = command.pop("id"), command.pop("do")
        try:
            COMMANDS[do](device, **command)
        except Exception as error:  # pylint: disable=broad-except
            say(reply=number, causes=list(causes(error)))
        else:
            say(reply=number, causes=[])
    device.shutdown()


main()
