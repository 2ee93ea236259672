//! The local IoT Hub.
