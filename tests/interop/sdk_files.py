"""A device made of Microsoft's SDKs (azure-iot-device over WebSocket, azure-storage-blob), told by its standard input.

The first line says who it is and where the hub listens, each further line is one command; both are JSON objects:

    {"connection_string": TEXT, "ca": FILE, "routes": {"443": PORT}}
    {"do": "connect"}

Each command is answered by one line on standard output, {"result": ...} or {"error": TEXT}. Nothing is judged here:
the test does that.
"""

import json
import os
import socket
import sys

who = json.loads(sys.stdin.readline())
# Leads connections to the port that the SDK knows to that of the hub under test; the SDK stays as it is.
routes = {int(port): to for port, to in who["routes"].items()}
look_up = socket.getaddrinfo
socket.getaddrinfo = lambda host, port, *more, **named: look_up(host, routes.get(port, port), *more, **named)
os.environ["REQUESTS_CA_BUNDLE"] = who["ca"]

from azure.core.exceptions import ResourceExistsError  # noqa: E402
from azure.iot.device import IoTHubDeviceClient, Message  # noqa: E402
from azure.storage.blob import BlobClient  # noqa: E402

with open(who["ca"], encoding="ascii") as file:
    device = IoTHubDeviceClient.create_from_connection_string(
        who["connection_string"], websockets=True, server_verification_cert=file.read()
    )


def send(body):
    """Sends telemetry; returns once the hub has acknowledged it."""
    device.send_message(Message(body))


def twin():
    """Reads the whole twin."""
    return device.get_twin()


def upload(name, size, piece):
    """Uploads a file of this size, in blocks if it has more than `piece` bytes; reads it back."""
    place = device.get_storage_info_for_blob(name)
    address = f"https://{place['hostName']}/{place['containerName']}/{place['blobName']}{place['sasToken']}"
    body = bytes(index % 251 for index in range(size))
    with BlobClient.from_blob_url(address, max_single_put_size=piece, max_block_size=piece) as blob:
        # Content-MD5 with each request, which the storage account checks.
        blob.upload_blob(body, overwrite=True, validate_content=True)
        try:
            blob.upload_blob(b"other")
            refused = False
        except ResourceExistsError:
            refused = True
        same = blob.download_blob().readall() == body
    device.notify_blob_upload_status(place["correlationId"], True, 201, "stored")
    return {"same": same, "second_refused": refused}


def report_failure(name):
    """Asks for a place, and says that the upload failed."""
    place = device.get_storage_info_for_blob(name)
    device.notify_blob_upload_status(place["correlationId"], False, 500, "no disk")


COMMANDS = {
    "connect": lambda: device.connect(),
    "disconnect": lambda: device.disconnect(),
    "send": send,
    "twin": twin,
    "upload": upload,
    "report_failure": report_failure,
}

for line in sys.stdin:
    command = json.loads(line)
    try:
        answer = {"result": COMMANDS[command.pop("do")](**command)}
    except Exception as error:  # The test is told what the SDK raises.
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
device.shutdown()
