//! Starting, holding and stopping a sandbox.
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;

use super::call::{Call, Caller};
use super::clock::Clock;
use super::error::Error;
use super::faults::Fault;
use super::limits::Budgets;
use super::record::Recorded;
use super::routes;
use super::server;
use super::socket::Socket;
use super::state::State;
use super::webhook::{self, DeliveryFault};

/// How long an endpoint may take to answer a webhook, as on github.com.
const PATIENCE: Duration = Duration::from_secs(10);

/// How to start a sandbox.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes any that is free.
    pub port: u16,
    /// A unix socket to answer at as well, for clients such as `gh` with `http_unix_socket`; removed at the end.
    pub socket: Option<PathBuf>,
    /// Where the bare repositories live; a directory of its own, removed at the end, when not given.
    pub dir: Option<PathBuf>,
    /// The time the sandbox lives in.
    pub clock: Clock,
    /// API requests an hour for each token holder; GitHub's 5,000 when not given.
    pub rate_limit: Option<u64>,
}

/// A GitHub-compatible server over loopback.
#[derive(Debug)]
pub struct Sandbox;

impl Sandbox {
    /// Starts the server on a thread of its own, so that a caller may block (on `git push`, say) without stopping it.
    pub fn start(options: Options) -> Result<Running, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let (socket, local) = match options.socket.as_deref().map(Socket::bind).transpose()? {
            Some((socket, listener)) => (Some(socket), Some(listener)),
            None => (None, None),
        };
        let base = format!("http://{}", listener.local_addr()?);
        let (dir, temporary) = match options.dir {
            Some(dir) => (dir, false),
            None => (
                std::env::temp_dir().join(format!("sandbox-{:032x}", rand::random::<u128>())),
                true,
            ),
        };
        std::fs::create_dir_all(&dir)?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .map_err(|error| Error::Start(error.to_string()))?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(base, dir, options.clock, options.rate_limit)),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("sandbox")
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("sandbox".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    let deliveries = tokio::spawn(webhook::deliver(Arc::clone(&serving), client));
                    server::serve(serving, listener, local, stopped).await;
                    deliveries.abort();
                });
                runtime.shutdown_timeout(Duration::from_secs(1));
            })?;
        Ok(Running {
            shared,
            stop: Some(stop),
            thread: Some(thread),
            _socket: socket,
            temporary,
        })
    }
}

/// What the server's tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sandbox that runs until it is dropped.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _socket: Option<Socket>,
    temporary: bool,
}

impl Running {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    /// `http://127.0.0.1:port`: pages and Git.
    pub fn url(&self) -> String {
        self.lock().base.clone()
    }

    /// The base of the REST API, as an Enterprise Server has it.
    pub fn api_url(&self) -> String {
        self.lock().api()
    }

    /// The clock the sandbox lives by.
    pub fn clock(&self) -> Clock {
        self.lock().clock.clone()
    }

    /// Every API request so far, with its answer.
    pub fn requests(&self) -> Vec<Recorded> {
        self.lock().record.clone()
    }

    /// Forgets the requests recorded so far.
    pub fn forget_requests(&self) {
        self.lock().record.clear();
    }

    /// Plans a fault; faults are taken in the order they were planned.
    pub fn fault(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    /// Forgets the faults that are planned and were not taken yet.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// Plans what becomes of the next `times` deliveries of an event (of any, when `None`).
    pub fn webhook_fault(&self, event: Option<&str>, fault: DeliveryFault, times: usize) {
        self.lock().outbox.plan(event.map(str::to_owned), fault, times);
    }

    /// Forgets planned webhook faults and lets held deliveries go, in order.
    pub fn release_webhooks(&self) {
        self.lock().outbox.release(false);
    }

    /// Forgets planned webhook faults and lets held deliveries go, newest first.
    pub fn release_webhooks_reversed(&self) {
        self.lock().outbox.release(true);
    }

    /// Waits until every webhook that was queued has been delivered or has failed; held ones are left alone.
    pub async fn quiesce(&self) {
        let mut pending = self.lock().outbox.watch();
        // The sender lives in the state, which outlives this borrow: waiting cannot fail.
        let _ = pending.wait_for(|pending| *pending == 0).await;
    }

    /// The deliveries made so far: event, payload, status code.
    pub fn deliveries(&self) -> Vec<(String, Value, u16)> {
        let state = self.lock();
        let all = state.outbox.deliveries.values();
        all.map(|delivery| {
            (
                delivery.event.clone(),
                delivery.payload.clone(),
                delivery.status_code,
            )
        })
        .collect()
    }

    /// Runs a route in the sandbox's own name for somebody, without the network and without a record.
    pub(crate) fn call(&self, caller: Caller, method: &str, path: &str, body: Value) -> Result<Value, Error> {
        let mut state = self.lock();
        let call = Call::new(caller, method, &state.api(), path, body);
        let budget = Budgets::unlimited();
        let answer = routes::route(&mut state, &call, budget)?;
        Ok(answer.body.unwrap_or(Value::Null))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The server may have stopped by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if self.temporary {
            let dir = self.lock().dir.clone();
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}
