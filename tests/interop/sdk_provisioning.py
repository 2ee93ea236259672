"""A registration made of Microsoft's SDK (azure-iot-device): registers once, and says how that went.

Standard input has one JSON object:

    {"id_scope": TEXT, "registration_id": TEXT, "ca": FILE, "key": BASE64}

with "certificate" and "key_file" (PEM files) in place of "key" for X.509, and perhaps with a "payload".
Standard output has one too: the registration's state, or {"causes": [TEXT, ...]} of the exception that the
SDK raised. Nothing is judged here: the test does that.
"""

import json
import sys

from azure.iot.device import ProvisioningDeviceClient, X509


def client(who):
    """The SDK's client in its default configuration."""
    with open(who["ca"], encoding="ascii") as file:
        common = {
            "provisioning_host": "localhost",
            "registration_id": who["registration_id"],
            "id_scope": who["id_scope"],
            "server_verification_cert": file.read(),
        }
    if "certificate" in who:
        x509 = X509(cert_file=who["certificate"], key_file=who["key_file"])
        return ProvisioningDeviceClient.create_from_x509_certificate(x509=x509, **common)
    return ProvisioningDeviceClient.create_from_symmetric_key(symmetric_key=who["key"], **common)


def causes(error):
    """An exception and what led to it, in words."""
    while error is not None:
        yield f"{type(error).__name__}: {error}"
        error = error.__cause__


def main():
    who = json.load(sys.stdin)
    registration = client(who)
    registration.provisioning_payload = who.get("payload")
    try:
        result = registration.register()
    except Exception as error:  # pylint: disable=broad-except
        print(json.dumps({"causes": list(causes(error))}))
        return
    state = result.registration_state
    print(
        json.dumps(
            {
                "status": result.status,
                "hub": state.assigned_hub,
                "device": state.device_id,
                "substatus": state.sub_status,
                "payload": state.response_payload and json.loads(state.response_payload),
            }
        )
    )


main()
