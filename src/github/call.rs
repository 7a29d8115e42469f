//! One call to GitHub: what, in whose name.

use bytes::Bytes;
use http::Method;

/// Whose name a call is made in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// The app's, by a signed token.
    App,
    /// The installation's.
    Installation,
}

/// One call.
#[derive(Debug, Clone)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) body: Bytes,
    pub(super) caller: Caller,
}

impl Call<'_> {
    pub(super) fn doing(&self) -> String {
        let path = self.path.split_once('?').map_or(self.path, |(path, _)| path);
        format!("{} {path}", self.method)
    }
    pub(super) fn reads(&self) -> bool {
        self.method == Method::GET
    }
}

/// A path segment, percent-encoded.
pub(super) fn segment(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_stays_one_segment() {
        assert_eq!(segment("a/b..?c%[bot]é"), "a%2Fb..%3Fc%25%5Bbot%5D%C3%A9");
    }
}
