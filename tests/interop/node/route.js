// Leads connections to the ports that Microsoft's packages know to those of a hub under test, which has others. It is
// loaded before the packages, which stay as they are. ROUTES is JSON: {"443": PORT, "8883": PORT}.
"use strict";

const tls = require("node:tls");

const routes = JSON.parse(process.env.ROUTES);
const connect = tls.connect;

tls.connect = (...given) => {
  const options = given.find((value) => value !== null && typeof value === "object");
  if (options && routes[options.port] && ["localhost", "127.0.0.1"].includes(options.host ?? "localhost")) {
    options.port = routes[options.port];
  }
  return connect(...given);
};
