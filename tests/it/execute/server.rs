//! A server that answers each connection as it is told.

use std::{
    sync::{Arc, Mutex},
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
    /// Nothing: the connection is closed once the request was read.
    Close,
    /// Nothing at all, for long.
    Silence,
}

#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
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
    let length = body.len();
    Script::Say(
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .into_bytes(),
    )
}

impl Raw {
    pub(crate) async fn start(scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            let mut scripts = scripts.into_iter().peekable();
            let mut last = Script::Close;
            while let Ok((stream, _)) = listener.accept().await {
                last = scripts.next().unwrap_or(last);
                tokio::spawn(serve(stream, last.clone(), Arc::clone(&seen)));
            }
        });
        Self { url, requests, task }
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
                break;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(n) => bytes.extend_from_slice(&buffer[..n]),
        }
    }
    match script {
        Script::Say(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Script::Close => {}
        Script::Silence => tokio::time::sleep(Duration::from_secs(60)).await,
    }
}
