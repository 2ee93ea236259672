//! Threads for the connections of devices.
//!
//! # Theory of operation
//! Each thread has an event loop of its own and accepts connections from the same socket, so that the one that is free
//! takes the next. A connection stays on its thread. A message is therefore one wake-up of one thread: it is read, stored
//! and acknowledged there, while an executor that shares its work wakes a second thread to look for some. What
//! operators and the page ask for is done by other threads, and holds up no message.

use std::io;
use std::net::TcpListener;
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::sync::watch;

/// More threads than this make little faster here: most of the work is in the system, and in one file.
const MOST: usize = 2;

/// Threads that serve devices until they are stopped.
#[derive(Debug)]
pub(crate) struct Lanes {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Lanes {
    /// Starts threads, each of which runs what `serve` gives for a listener.
    pub(crate) fn start<F: Future<Output = ()> + 'static>(
        listener: &TcpListener,
        serve: impl Fn(tokio::net::TcpListener) -> F + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let mut lanes = Self {
            stop: watch::Sender::new(false),
            threads: Vec::new(),
        };
        for _ in 0..processors.min(MOST) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let listener = listener.try_clone()?;
            let serve = serve.clone();
            let mut stopped = lanes.stop.subscribe();
            let run = move || {
                runtime.block_on(async {
                    let listener = match tokio::net::TcpListener::from_std(listener) {
                        Ok(listener) => listener,
                        Err(error) => return log::error!("cannot accept connections: {error}"),
                    };
                    tokio::select! {
                        () = serve(listener) => {}
                        _ = stopped.wait_for(|stopped| *stopped) => {}
                    }
                });
            };
            let thread = std::thread::Builder::new().name("local-hub mqtt".into());
            lanes.threads.push(thread.spawn(run)?);
        }
        Ok(lanes)
    }

    /// Ends the threads, and what is left of their connections.
    pub(crate) fn stop(&mut self) {
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                log::error!("a thread for connections panicked");
            }
        }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.stop();
    }
}
