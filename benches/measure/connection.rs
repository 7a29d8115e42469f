//! A connection that is kept, as a client with little to do of its own has it, so that little of what is measured is it.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const END: &[u8] = b"\r\n\r\n";

/// One HTTP/1.1 connection (RFC 9112).
pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            answer: Vec::new(),
        }
    }

    /// Sends a whole request and waits for the whole answer, which must have this status.
    pub(crate) async fn ask(&mut self, request: &[u8], status: u16) {
        self.stream.write_all(request).await.unwrap();
        self.answer.clear();
        while !self.is_whole() {
            assert!(
                self.stream.read_buf(&mut self.answer).await.unwrap() > 0,
                "hung up"
            );
        }
        let text = String::from_utf8_lossy(&self.answer);
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
    }

    fn is_whole(&self) -> bool {
        let Some(head) = self.answer.windows(END.len()).position(|four| four == END) else {
            return false;
        };
        let text = std::str::from_utf8(&self.answer[..head]).unwrap();
        let fields = text.lines().filter_map(|line| line.split_once(": "));
        let mut lengths = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length = lengths
            .next()
            .map_or(0, |(_, length)| length.parse::<usize>().unwrap());
        self.answer.len() == head + END.len() + length
    }
}
