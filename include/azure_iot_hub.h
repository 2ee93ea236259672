/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * @brief A device on Azure IoT Hub, for applications in C (CONFIG_AZURE_IOT_DEVICE_C_API).
 *
 * An application describes itself by five tables and some callbacks (struct azure_iot_hub_application), and starts the
 * device with azure_iot_hub_start(). The device does the rest in a thread of its own: connections, time, tokens, the
 * twin's versions and acknowledgements, retries and bounds.
 *
 * **Threads.** The device's thread calls all callbacks, one at a time. They must not block for long: the keep-alive waits
 * meanwhile. Functions that may be called from other threads, or from interrupts, say so.
 *
 * **Values are JSON text**, and need no floating point: see the functions azure_iot_hub_json_...().
 *
 * **Texts** end with a zero and are UTF-8. What C passes to a function is copied or used during the call only. The
 * application and what it points to must stay unchanged.
 *
 * **Errors** are negative errno values. A function that refuses a NULL pointer or a text that is not UTF-8 gives -EINVAL.
 */
#ifndef AZURE_IOT_HUB_H_
#define AZURE_IOT_HUB_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** JSON text that the device has checked. It is not terminated by a zero. */
struct azure_iot_hub_json {
	const char *text; /**< First byte. */
	size_t length;    /**< Number of bytes. */
};

/** A telemetry message while its stream's function writes it. */
struct azure_iot_hub_message;

/** Interval of a stream whose messages are only sent by azure_iot_hub_request(). */
#define AZURE_IOT_HUB_ON_REQUEST UINT32_MAX

/** A telemetry stream. */
struct azure_iot_hub_stream {
	/** Its name, for azure_iot_hub_request() and for the log. */
	const char *name;
	/** Milliseconds between two messages; 0: CONFIG_AZURE_TELEMETRY_INTERVAL_S. */
	uint32_t interval_ms;
	/** Writes a message, by azure_iot_hub_message_...(). Without a body there is no message. */
	void (*sample)(struct azure_iot_hub_message *message, void *user_data);
};

/**
 * A twin property that an operator may set. A component's has the component's name before its own: `lamp*level`. A name
 * and a component's name have 1 to 64 bytes.
 */
struct azure_iot_hub_property {
	/** Its name, as in the DTDL model. */
	const char *name;
	/**
	 * Takes the value that an operator desires; `null` if the operator deleted it.
	 *
	 * @param value the value
	 * @param reason the reason of a refusal goes here: a text that stays, such as a literal
	 * @return 0, or -EINVAL if the value is refused. The operator then sees status 400 and the reason.
	 */
	int (*apply)(const struct azure_iot_hub_json *value, const char **reason, void *user_data);
	/**
	 * Writes the value in force as JSON.
	 *
	 * @param buffer place for the JSON text
	 * @param size its size, CONFIG_AZURE_C_API_JSON_SIZE
	 * @return the length of the text, as snprintf() gives it. A text that does not fit or is no JSON, and a negative
	 * errno, are reported as `null`, and an error in the log names the property.
	 */
	int (*value)(char *buffer, size_t size, void *user_data);
};

/** A twin property that only the device sets. */
struct azure_iot_hub_reported {
	/** Its name, as in struct azure_iot_hub_property. */
	const char *name;
	/** Writes the value, as in struct azure_iot_hub_property. */
	int (*value)(char *buffer, size_t size, void *user_data);
};

/** One call of a direct method. */
struct azure_iot_hub_call {
	/** The operator's payload; NULL if there is none, and when the method is asked again. */
	const struct azure_iot_hub_json *payload;
	/** True when a method that returned AZURE_IOT_HUB_LATER() is asked again. */
	bool again;
};

/**
 * Result of a method that is not done yet: the device asks it again after so many milliseconds, 1 at least. The
 * connection goes on meanwhile. Two calls can wait at a time.
 */
#define AZURE_IOT_HUB_LATER(milliseconds) (-(int)(milliseconds))

/** A direct method. */
struct azure_iot_hub_method {
	/** Its name, as in the DTDL model. A component's is `component*command`. */
	const char *name;
	/**
	 * Runs it.
	 *
	 * @param call the call
	 * @param result place for the result as JSON; empty for `null`
	 * @param size its size, CONFIG_AZURE_C_API_JSON_SIZE
	 * @return the status for the caller, such as 200 or 400, or AZURE_IOT_HUB_LATER()
	 */
	int (*run)(const struct azure_iot_hub_call *call, char *result, size_t size, void *user_data);
};

/** A value of the application that survives a restart. The device keeps it beside its own, with a checksum. */
struct azure_iot_hub_kept {
	/** Its name, of 1 to 32 bytes. */
	const char *name;
	/**
	 * Writes the value.
	 *
	 * @param buffer place for the bytes
	 * @param size its size, AZURE_IOT_HUB_KEPT_SIZE
	 * @return the number of bytes. With a negative errno, or with more bytes than there are, nothing is stored, and an
	 * error in the log names the value.
	 */
	int (*save)(uint8_t *buffer, size_t size, void *user_data);
	/**
	 * Takes the value that was stored. It is called at each start, before the device joins; not if there is none, or
	 * if its checksum is wrong. A later version of the product may find what an earlier one has saved.
	 */
	void (*restore)(const uint8_t *value, size_t length, void *user_data);
};

/** The longest value of struct azure_iot_hub_kept, in bytes. */
#define AZURE_IOT_HUB_KEPT_SIZE 256

/** A cloud-to-device message. */
struct azure_iot_hub_cloud_message {
	const uint8_t *body; /**< The body, as the operator sent it. */
	size_t length;       /**< Number of its bytes. */
	bool again;          /**< True if the hub has sent it before: the first copy may have been taken. */
	/** System and application properties, encoded: for azure_iot_hub_cloud_property(). */
	struct azure_iot_hub_json properties;
	/** For azure_iot_hub_acknowledge(), after AZURE_IOT_HUB_TAKE_LATER. */
	uint64_t token;
};

/**
 * Result of `receive` for a message that will be taken later: azure_iot_hub_acknowledge() says that it was. The hub sends
 * it again after the next connect if that was not said before. Sixteen messages may wait; then nothing more is read from
 * the hub.
 */
#define AZURE_IOT_HUB_TAKE_LATER 1

/** Kind of an event. */
enum azure_iot_hub_event_kind {
	/** A hub accepted the device. */
	AZURE_IOT_HUB_CONNECTED = 0,
	/** The connection ended: `text` is the failure, or NULL for a planned goodbye. */
	AZURE_IOT_HUB_DISCONNECTED = 1,
	/** An attempt to connect failed: `text` is the failure. */
	AZURE_IOT_HUB_NOT_CONNECTED = 2,
	/** The clock was set. */
	AZURE_IOT_HUB_TIME_SET = 3,
	/** `number` messages of the stream `text` fell due while the device was busy, such as with a TLS handshake. */
	AZURE_IOT_HUB_NOT_MEASURED = 4,
	/** The time of azure_iot_hub_set_timer() has come. */
	AZURE_IOT_HUB_TIMER = 5,
	/** The device is about to stop or to restart. What is queued is sent while there is time. */
	AZURE_IOT_HUB_STOPPING = 6,
	/** The flash of the queue failed: `text` says how. Messages wait in RAM. It is tried again each minute. */
	AZURE_IOT_HUB_QUEUE_FAILED = 7,
	/** A message was written to the queue again, after AZURE_IOT_HUB_QUEUE_FAILED. */
	AZURE_IOT_HUB_QUEUE_RESTORED = 8,
};

/** Something that happened. The device has logged it already. */
struct azure_iot_hub_event {
	uint32_t kind;    /**< enum azure_iot_hub_event_kind */
	const char *text; /**< See the kind; NULL if it has none. */
	uint32_t number;  /**< See the kind. */
};

/** An application. Each callback may be NULL, but those of a table's entry. */
struct azure_iot_hub_application {
	/** Telemetry streams. The first is the one that a button or `azure send` asks for. */
	const struct azure_iot_hub_stream *streams;
	size_t stream_count; /**< Up to CONFIG_AZURE_C_API_STREAMS. */
	/** Twin properties that an operator may set. */
	const struct azure_iot_hub_property *properties;
	size_t property_count; /**< Up to 16. */
	/** Twin properties that only the device sets. All are reported after each connect. */
	const struct azure_iot_hub_reported *reported;
	size_t reported_count; /**< Up to 24. */
	/** Direct methods. `reboot` and `getStatus` are there already. */
	const struct azure_iot_hub_method *methods;
	size_t method_count; /**< Up to CONFIG_AZURE_C_API_METHODS. */
	/** Values that survive a restart. */
	const struct azure_iot_hub_kept *kept;
	size_t kept_count; /**< Up to 16. */
	/**
	 * Takes a cloud-to-device message.
	 *
	 * @return 0, AZURE_IOT_HUB_TAKE_LATER, or a negative errno if the message is refused: it is counted, and the hub
	 * forgets it
	 */
	int (*receive)(const struct azure_iot_hub_cloud_message *message, void *user_data);
	/** Takes what happened. */
	void (*handle)(const struct azure_iot_hub_event *event, void *user_data);
	/** Takes what a custom allocation policy of the provisioning service gave this device with its hub. */
	void (*assigned)(const struct azure_iot_hub_json *payload, void *user_data);
	void *user_data; /**< Passed to each callback. */
};

/**
 * @brief Starts the device in a thread of its own, with a stack of CONFIG_AZURE_STACK_SIZE bytes.
 *
 * After azure_iot_hub_stop(), starts it again.
 *
 * @param application the application, which must stay
 * @retval -EINVAL the application has a table that is too long, a name that is missing or twice there, or an entry
 * without a function; an error in the log names it
 * @retval -EALREADY the device was started already, and not stopped
 */
int azure_iot_hub_start(const struct azure_iot_hub_application *application);

/**
 * @brief Stops the device: it sends what is queued, for CONFIG_AZURE_STOP_TIMEOUT_S at most, says goodbye, and waits for
 * azure_iot_hub_start().
 *
 * From any thread, and from interrupts. Comes back at once. AZURE_IOT_HUB_STOPPING tells that the device stops.
 */
void azure_iot_hub_stop(void);

/**
 * @brief Restarts the processor after a clean goodbye, once the response to a method has been sent.
 *
 * From any thread, and from interrupts.
 */
void azure_iot_hub_restart(void);

/**
 * @brief Sends a message of a stream now, besides those at its interval. Several requests before that are one message.
 *
 * From any thread, and from interrupts.
 *
 * @retval -ENOENT there is no such stream
 */
int azure_iot_hub_request(const char *stream);

/**
 * @brief Sets the time between the messages of a stream, from the next one on.
 *
 * From any thread, and from interrupts.
 *
 * @param stream its name
 * @param interval_ms as in struct azure_iot_hub_stream
 * @retval -ENOENT there is no such stream
 */
int azure_iot_hub_set_interval(const char *stream, uint32_t interval_ms);

/**
 * @brief Reports a property soon: its value has changed. Several changes before that are one report.
 *
 * From any thread, and from interrupts.
 *
 * @retval -ENOENT there is no such property
 */
int azure_iot_hub_report_changed(const char *property);

/**
 * @brief Calls `handle` with AZURE_IOT_HUB_TIMER after this time. There is one timer: this replaces the time that was set
 * before.
 *
 * From any thread, and from interrupts.
 *
 * @param milliseconds time until then; 0 stops the timer
 */
void azure_iot_hub_set_timer(uint32_t milliseconds);

/**
 * @brief Saves a value of the application's table `kept` soon. Several requests before that are one.
 *
 * From any thread, and from interrupts. Flash takes milliseconds, and wears: keep what changes rarely.
 *
 * @retval -ENOENT there is no such value
 */
int azure_iot_hub_keep(const char *name);

/**
 * @brief Acknowledges a cloud-to-device message that `receive` answered with AZURE_IOT_HUB_TAKE_LATER: the hub forgets it.
 *
 * From any thread, and from interrupts. Without effect if the connection that brought it has ended: the hub sends it again.
 *
 * @param token the message's token
 * @retval -EINVAL no message has this token
 * @retval -ENOBUFS sixteen acknowledgements wait already for the device's thread: try again later
 */
int azure_iot_hub_acknowledge(uint64_t token);

/** An application property of a message. Message routing and the receiver see it. */
struct azure_iot_hub_message_property {
	const char *key;   /**< Not empty, and without `$.` at its start. */
	const char *value; /**< Its value. */
};

/** The most application properties of a message that azure_iot_hub_send() takes. */
#define AZURE_IOT_HUB_MESSAGE_PROPERTIES 8

/** A message with its data. What is not set is left out. */
struct azure_iot_hub_telemetry {
	const void *body;             /**< JSON text, or any bytes with a `content_type`. */
	size_t length;                /**< Number of its bytes. */
	const char *content_type;     /**< NULL for JSON; such as "application/octet-stream". */
	const char *content_encoding; /**< Encoding of a body with a `content_type`. */
	const char *component;        /**< Component of the device's model. */
	const char *correlation_id;   /**< Id of the message that this one answers. */
	const char *message_id;       /**< An id in place of the one that the device gives. */
	/** Application properties. */
	const struct azure_iot_hub_message_property *properties;
	size_t property_count; /**< Up to AZURE_IOT_HUB_MESSAGE_PROPERTIES. */
	bool at_most_once;     /**< QoS 0: sent once, or dropped if there is no connection. */
	/**
	 * Is called by the device's thread when the outcome is known: 0 if the hub has the message (at QoS 0: it was
	 * sent), -ECANCELED if it was dropped. The device has counted and logged the cause.
	 */
	void (*done)(int result, void *user_data);
	void *user_data; /**< For `done`. */
};

/**
 * @brief Queues a message, and copies it. Never waits.
 *
 * From any thread, and from interrupts.
 *
 * @retval -ENOBUFS there is no room now (CONFIG_AZURE_OUTLET_SIZE), or too many messages wait for their outcome
 * @retval -EMSGSIZE the message can never be taken: it is longer than the scratch buffer allows
 * @retval -EINVAL a body that should be JSON is none, a key is not allowed, or there are too many properties
 * @retval -EAGAIN azure_iot_hub_start() was not called yet
 */
int azure_iot_hub_send(const struct azure_iot_hub_telemetry *message);

/** Status of the device. */
struct azure_iot_hub_status {
	bool connected;        /**< A hub has accepted the connection that is open now. */
	uint32_t connections;  /**< Connections that a hub accepted, since the start. */
	uint32_t failures;     /**< Failed attempts and broken connections. */
	uint64_t messages;     /**< Telemetry messages: the sum of the next three. */
	uint64_t acknowledged; /**< Messages that the hub has. */
	uint32_t queued;       /**< Messages that wait. */
	uint32_t dropped;      /**< Messages that will not be delivered. */
	char last_failure[32]; /**< Stage of the last failure, such as "TLS"; empty if there was none. */
};

/**
 * @brief Reads the status. From any thread, not from interrupts.
 */
int azure_iot_hub_get_status(struct azure_iot_hub_status *status);

/**
 * @name Writing a message, in the function of a stream
 * An error drops the message; it is counted and logged.
 * @{
 */

/** Writes the body: JSON text. -EINVAL if it is none. */
int azure_iot_hub_message_json(struct azure_iot_hub_message *message, const char *json);
/** Writes the body: bytes, with the type of the content. An empty type leaves the property out. */
int azure_iot_hub_message_bytes(struct azure_iot_hub_message *message, const char *content_type, const void *body,
				size_t length);
/** Adds an application property. */
int azure_iot_hub_message_property(struct azure_iot_hub_message *message, const char *key, const char *value);
/** Names the component of the device's model that the message is of. */
int azure_iot_hub_message_component(struct azure_iot_hub_message *message, const char *component);
/** Names the message that this one answers. */
int azure_iot_hub_message_correlation_id(struct azure_iot_hub_message *message, const char *id);
/** Sends it at QoS 0: once, or not at all if there is no connection. */
int azure_iot_hub_message_at_most_once(struct azure_iot_hub_message *message);
/**
 * Reads a sensor of the board, in thousandths of its unit: "temperature" in degrees Celsius, "humidity" in per cent,
 * "pressure" in kPa. -ENOENT if the board has no such reading.
 */
int azure_iot_hub_message_reading(const struct azure_iot_hub_message *message, const char *name, int64_t *thousandths);
/** @} */

/**
 * Reads a property of a cloud-to-device message, decoded, such as `priority`, or `$.cid` for the correlation id.
 *
 * @return the length of the value, which ends with a zero; -ENOENT if there is no such property, -EMSGSIZE if its value
 * does not fit
 */
int azure_iot_hub_cloud_property(const struct azure_iot_hub_cloud_message *message, const char *key, char *buffer,
				 size_t size);

/**
 * @name Reading JSON
 * From any thread, and from interrupts. -EINVAL for a value of another kind, and for one that does not fit: nothing is
 * rounded.
 * @{
 */

/** True for `null`, such as of a desired property that was deleted. */
bool azure_iot_hub_json_is_null(const struct azure_iot_hub_json *json);
/** Reads a whole number, however it is written: 30, 30.0 and 3e1 are the same. */
int azure_iot_hub_json_integer(const struct azure_iot_hub_json *json, int64_t *value);
/** Reads a number with at most so many decimals, 9 at most: with one decimal, 21.5 is 215. */
int azure_iot_hub_json_decimal(const struct azure_iot_hub_json *json, uint8_t decimals, int64_t *value);
/** Reads `true` or `false`. */
int azure_iot_hub_json_boolean(const struct azure_iot_hub_json *json, bool *value);
/** Reads a string, decoded. Gives its length; -EMSGSIZE if it does not fit with its zero. */
int azure_iot_hub_json_string(const struct azure_iot_hub_json *json, char *buffer, size_t size);
/** Finds the member of an object. -ENOENT if there is none of this name. */
int azure_iot_hub_json_member(const struct azure_iot_hub_json *json, const char *name,
			      struct azure_iot_hub_json *value);
/** Finds the element of an array, from 0. -ENOENT behind its end. */
int azure_iot_hub_json_element(const struct azure_iot_hub_json *json, size_t index, struct azure_iot_hub_json *value);
/** @} */

/**
 * @name Writing JSON, where printf() has no format
 * They give the length of the text, which ends with a zero; -EMSGSIZE if it does not fit. From any thread, and from
 * interrupts.
 * @{
 */

/** Writes a decimal number: -185 with one decimal is -18.5. */
int azure_iot_hub_json_write_decimal(char *buffer, size_t size, int64_t value, uint8_t decimals);
/** Writes a string with its quotation marks, escaped. */
int azure_iot_hub_json_write_string(char *buffer, size_t size, const char *text);
/** @} */

#ifdef __cplusplus
}
#endif

#endif /* AZURE_IOT_HUB_H_ */
