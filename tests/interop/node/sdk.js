// Devices and operators made of Microsoft's packages for Node.js, told by standard input what to do: a JSON object a
// line, {"do": WHAT, …}. Each is answered by one line, {"result": …} or {"error": TEXT, "status": HTTP STATUS}. Nothing
// is judged here: the test does that.
"use strict";

require("./route.js");

const fs = require("node:fs");
const readline = require("node:readline");
const { Readable } = require("node:stream");
const { BlockBlobClient } = require("@azure/storage-blob");
const { Client, Message } = require("azure-iot-device");
const { Http } = require("azure-iot-device-http");
const { Mqtt, MqttWs } = require("azure-iot-device-mqtt");
const { ProvisioningDeviceClient } = require("azure-iot-provisioning-device");
const provisioning = require("azure-iot-provisioning-device-mqtt");
const { ProvisioningServiceClient } = require("azure-iot-provisioning-service");
const { SymmetricKeySecurityClient } = require("azure-iot-security-symmetric-key");
const { Client: ServiceClient, Registry } = require("azure-iothub");

const operator = process.env.CONNECTION_STRING;
const ca = fs.readFileSync(process.env.NODE_EXTRA_CA_CERTS, "utf8");
const transports = { http: Http, mqtt: Mqtt, "mqtt-ws": MqttWs };

let device;
let twin;
const messages = [];

// What an operation gives, without the HTTP response around it.
const plain = (result) => {
  const member = ["responseBody", "result"].find((name) => result && name in result);
  return (member ? result[member] : result) ?? null;
};

const operations = {
  registry: async ({ call, arguments: given }) => plain(await Registry.fromConnectionString(operator)[call](...given)),
  async query({ query, size }) {
    const pages = [];
    const cursor = Registry.fromConnectionString(operator).createQuery(query, size);
    do {
      // Without the token it begins again.
      pages.push(plain(await cursor.next(cursor.continuationToken)));
    } while (cursor.hasMoreResults);
    return pages;
  },
  service: async ({ call, arguments: given }) =>
    plain(await ServiceClient.fromConnectionString(operator)[call](...given)),
  provisioning: async ({ call, arguments: given }) =>
    plain(await ProvisioningServiceClient.fromConnectionString(operator)[call](...given)),
  async enrolled({ query, size }) {
    const cursor = ProvisioningServiceClient.fromConnectionString(operator).createIndividualEnrollmentQuery(query, size);
    const pages = [];
    do {
      pages.push(plain(await cursor.next(cursor.continuationToken)));
    } while (cursor.hasMoreResults);
    return pages;
  },
  async register({ transport, scope, id, key }) {
    const kind = transport === "mqtt-ws" ? provisioning.MqttWs : provisioning.Mqtt;
    const security = new SymmetricKeySecurityClient(id, key);
    const client = ProvisioningDeviceClient.create("localhost", scope, new kind(), security);
    const { status, assignedHub, deviceId } = await client.register();
    return { status, assignedHub, deviceId };
  },
  async open({ transport, connection_string }) {
    device = Client.fromConnectionString(connection_string, transports[transport]);
    // Over HTTP it never answers this; its certificates are those of the environment.
    if (transport !== "http") await device.setOptions({ ca });
    await device.open();
  },
  async send({ body, properties }) {
    const message = new Message(body);
    message.contentType = "application/json";
    message.contentEncoding = "utf-8";
    for (const [name, value] of Object.entries(properties ?? {})) message.properties.add(name, value);
    await device.sendEvent(message);
  },
  async receive() {
    device.on("message", (message) => {
      messages.push(message.getData().toString());
      device.complete(message, () => {});
    });
  },
  async received({ count }) {
    while (messages.length < count) await new Promise((done) => setTimeout(done, 20));
    return messages;
  },
  async twin() {
    twin = await device.getTwin();
    return twin.properties;
  },
  report: ({ properties }) =>
    new Promise((done, failed) =>
      twin.properties.reported.update(properties, (error) => (error ? failed(error) : done(null))),
    ),
  async answer({ method, status }) {
    await new Promise((done) => {
      device.onDeviceMethod(method, (request, response) => response.send(status, { echo: request.payload }));
      // The package does not say when it has subscribed.
      setTimeout(done, 500);
    });
  },
  upload: ({ name, size }) => device.uploadToBlob(name, Readable.from([Buffer.alloc(size, "x")]), size),
  // The storage package by itself: in one piece, read back, a part of it read.
  async store({ name, text }) {
    const { correlationId, hostName, containerName, blobName, sasToken } = await device.getBlobSharedAccessSignature(name);
    const blob = new BlockBlobClient(`https://${hostName}/${containerName}/${blobName}${sasToken}`);
    await blob.upload(text, text.length, { blobHTTPHeaders: { blobContentType: "text/plain" } });
    const whole = (await blob.downloadToBuffer()).toString();
    const part = (await blob.downloadToBuffer(1, 3)).toString();
    const { contentLength, contentType } = await blob.getProperties();
    await device.notifyBlobUploadStatus(correlationId, true, 200, "stored");
    return { whole, part, contentLength, contentType };
  },
  async close() {
    await device.close();
  },
};

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    let answer;
    try {
      answer = { result: (await operations[request.do](request)) ?? null };
    } catch (error) {
      const status = error.response?.statusCode ?? error.statusCode ?? null;
      answer = { error: `${error.name}: ${error.message} ${error.responseBody ?? ""}`, status };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}

main();
