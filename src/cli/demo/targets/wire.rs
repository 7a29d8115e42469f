//! The server in front of a target system, and what can go wrong on the way.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
    serve::Listener,
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{
    once::{Asked, Effect, Reply},
    page,
};

/// What goes wrong with a request that acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 500, and nothing happened.
    FailBefore,
    /// 500, and it happened all the same.
    FailAfter,
    /// Too busy: 429, and nothing happened.
    Busy,
    /// It happens, and the answer takes this long.
    Slow(Duration),
    /// It happens, and the connection breaks before the answer.
    DropAfter,
}

/// A preview's answer and its entity tag.
pub(super) type Preview = Result<(Value, String), Reply>;

/// What a target system is behind its routes.
pub(super) trait System: Send + 'static {
    /// Reads: `GET /{collection}/{id}` and `GET /{collection}/{id}/{part}`.
    fn read(&self, path: &[&str], query: &[(String, String)]) -> Preview;
    /// Acts: `POST` on any path.
    fn act(&mut self, path: &[&str], asked: &Asked) -> Reply;
    /// Says what acting would do, and does nothing: `POST` on any path with the query `dry_run=true`.
    fn try_out(&self, _: &[&str], _: &Asked) -> Reply {
        Reply::refuse(StatusCode::NOT_FOUND, "nothing here is tried out")
    }
    fn state(&self) -> Value;
    fn page(&self) -> Value;
    fn effects(&self) -> Vec<Effect>;
    fn asked(&self) -> BTreeMap<String, usize>;
}

#[derive(Clone)]
struct Shared {
    system: Arc<Mutex<dyn System>>,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    cut: Arc<AtomicBool>,
}

/// A running target; it stops when this is dropped.
pub(super) struct Server {
    url: String,
    shared: Shared,
    task: JoinHandle<io::Result<()>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start(system: impl System) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared = Shared {
            system: Arc::new(Mutex::new(system)),
            faults: Arc::default(),
            cut: Arc::default(),
        };
        let router = Router::new()
            .route("/", get(home))
            .route("/state", get(state))
            .route("/{*path}", get(read).post(act))
            .with_state(shared.clone());
        let listener = Cuttable {
            listener,
            cut: Arc::clone(&shared.cut),
        };
        let task = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, shared, task })
    }
    pub(super) fn url(&self) -> &str {
        &self.url
    }
    pub(super) fn system(&self) -> impl std::ops::Deref<Target = dyn System> + '_ {
        self.shared.system.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn fault(&self, fault: Fault) {
        self.shared
            .faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(fault);
    }
}

async fn home(State(shared): State<Shared>) -> Response {
    let page = shared
        .system
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .page();
    match page::render(&page) {
        Ok(html) => Html(html).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn state(State(shared): State<Shared>) -> Json<Value> {
    Json(
        shared
            .system
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .state(),
    )
}

async fn read(
    State(shared): State<Shared>,
    Path(path): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    let path: Vec<&str> = path.split('/').collect();
    let found = shared
        .system
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .read(&path, &query);
    match found {
        Ok((body, tag)) => {
            let mut response = Json(body).into_response();
            if let Ok(tag) = HeaderValue::from_str(&format!("\"{tag}\"")) {
                response.headers_mut().insert(header::ETAG, tag);
            }
            response
        }
        Err(reply) => answer(reply),
    }
}

async fn act(
    State(shared): State<Shared>,
    Path(path): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let asked = Asked {
        key: text("idempotency-key"),
        proposal: text("countersign-proposal"),
        body,
    };
    let path: Vec<&str> = path.split('/').collect();
    if let Some((name, value)) = query.first() {
        // As strict as a target should be: nothing is done because a marker was not understood.
        return match (query.len(), name.as_str(), value.as_str()) {
            (1, "dry_run", "true") => answer(
                shared
                    .system
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .try_out(&path, &asked),
            ),
            _ => answer(Reply::refuse(
                StatusCode::BAD_REQUEST,
                "only `dry_run=true` may be asked for",
            )),
        };
    }
    let act = || {
        answer(
            shared
                .system
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .act(&path, &asked),
        )
    };
    let fault = shared
        .faults
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .pop_front();
    match fault {
        None => act(),
        Some(Fault::FailBefore) => answer(Reply::refuse(StatusCode::INTERNAL_SERVER_ERROR, "out of order")),
        Some(Fault::Busy) => answer(Reply::refuse(StatusCode::TOO_MANY_REQUESTS, "busy")),
        Some(Fault::FailAfter) => {
            act();
            answer(Reply::refuse(StatusCode::INTERNAL_SERVER_ERROR, "out of order"))
        }
        Some(Fault::Slow(pause)) => {
            let response = act();
            tokio::time::sleep(pause).await;
            response
        }
        Some(Fault::DropAfter) => {
            let response = act();
            shared.cut.store(true, Ordering::SeqCst);
            response
        }
    }
}

fn answer(reply: Reply) -> Response {
    (reply.status, Json(reply.body)).into_response()
}

/// Connections whose next write can be made to fail.
struct Cuttable {
    listener: TcpListener,
    cut: Arc<AtomicBool>,
}

struct Connection {
    stream: TcpStream,
    cut: Arc<AtomicBool>,
}

impl Listener for Cuttable {
    type Io = Connection;
    type Addr = SocketAddr;
    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let cut = Arc::clone(&self.cut);
        (Connection { stream, cut }, address)
    }
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.cut.swap(false, Ordering::SeqCst) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut this.stream).poll_write(cx, bytes)
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
