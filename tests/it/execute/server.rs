//! A server that answers each connection as it is told.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What one connection gets; the last script repeats.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// These bytes, then the end.
    Say(Vec<u8>),
    /// One after the other of these, each for a request on this one connection; after a last request it is closed.
    Keep(Vec<Vec<u8>>),
    /// Nothing: the connection is closed once the request was read.
    Close,
    /// Nothing at all, for long.
    Silence,
}

#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer with a body of JSON.
pub(crate) fn say(status: &str, body: &str) -> Script {
    say_with(status, "", body)
}

/// The same with further headers, each ended by `\r\n`.
pub(crate) fn say_with(status: &str, headers: &str, body: &str) -> Script {
    Script::Say(answer(status, &format!("{headers}Connection: close\r\n"), body))
}

/// An answer after which more may be asked.
pub(crate) fn and_go_on(status: &str, body: &str) -> Vec<u8> {
    answer(status, "", body)
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

impl Raw {
    pub(crate) async fn start(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let connections = Arc::new(AtomicUsize::new(0));
        let opened = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut scripts = scripts.into_iter().peekable();
            let mut last = Script::Close;
            while let Ok((stream, _)) = listener.accept().await {
                opened.fetch_add(1, Ordering::SeqCst);
                last = scripts.next().unwrap_or(last);
                tokio::spawn(serve(stream, last.clone(), Arc::clone(&seen)));
            }
        });
        Self {
            url,
            requests,
            connections,
            task,
        }
    }
    /// How many connections were opened.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
    /// The bodies of the requests.
    pub(crate) fn bodies(&self) -> Vec<serde_json::Value> {
        self.requests()
            .iter()
            .map(|request| serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap())
            .collect()
    }
}

async fn serve(mut stream: TcpStream, script: Script, seen: Arc<Mutex<Vec<String>>>) {
    if !read(&mut stream, &seen).await {
        return;
    }
    match script {
        Script::Say(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Script::Keep(answers) => {
            for bytes in answers {
                if stream.write_all(&bytes).await.is_err() || !read(&mut stream, &seen).await {
                    return;
                }
            }
        }
        Script::Close => {}
        Script::Silence => tokio::time::sleep(Duration::from_secs(60)).await,
    }
}

/// Reads one request; whether there was one.
async fn read(stream: &mut TcpStream, seen: &Mutex<Vec<String>>) -> bool {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length:")
                    .map(|n| n.trim().to_owned())
            });
            if body.len() >= length.map_or(0, |n| n.parse().unwrap()) {
                seen.lock().unwrap().push(text);
                return true;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return false,
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
        }
    }
}
