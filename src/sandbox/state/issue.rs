//! Issues that are no pull requests.
use jiff::Timestamp;

#[derive(Debug, Clone)]
pub(crate) struct Issue {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) author: u64,
    pub(crate) app: Option<u64>,
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) labels: Vec<Label>,
    pub(crate) created_at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub(crate) id: u64,
    pub(crate) name: String,
}
