"""An operator made of Microsoft's SDK (azure-iot-hub), which speaks HTTPS to the hub.

The first line of standard input is {"connection_string": TEXT}, each further line one call of the SDK's
registry manager: {"do": METHOD, "arguments": [...]}. An argument {"twin": {...}} becomes the SDK's Twin,
{"method": {...}} its CloudToDeviceMethod, and {"query": TEXT} its QuerySpecification. Each call is answered by one line: {"result": ...} or
{"status": HTTP STATUS}. Nothing is judged here: the test does that.
"""

import json
import sys

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import CloudToDeviceMethod, QuerySpecification, Twin
from msrest.exceptions import HttpOperationError


def argument(value):
    """JSON, or one of the SDK's own types."""
    match value:
        case {"twin": twin}:
            return Twin.from_dict(twin)
        case {"method": method}:
            return CloudToDeviceMethod(**method)
        case {"query": query}:
            return QuerySpecification(query=query)
        case _:
            return value


def plain(result):
    """What can be written as JSON."""
    if isinstance(result, list):
        return [plain(entry) for entry in result]
    if hasattr(result, "continuation_token"):
        return {"type": result.type, "items": plain(result.items), "continuation_token": result.continuation_token}
    return result.as_dict() if hasattr(result, "as_dict") else result


def main():
    manager = IoTHubRegistryManager.from_connection_string(json.loads(sys.stdin.readline())["connection_string"])
    for line in sys.stdin:
        call = json.loads(line)
        arguments = [argument(value) for value in call["arguments"]]
        try:
            answer = {"result": plain(getattr(manager, call["do"])(*arguments))}
        except HttpOperationError as error:
            answer = {"status": error.response.status_code}
        print(json.dumps(answer), flush=True)


main()
