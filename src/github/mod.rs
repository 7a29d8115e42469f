//! The adapter to GitHub: hints in (webhooks), facts in (observations), effects out (pull requests, checks, merges).
//!
//! GitHub is a source of hints and facts, never of verdicts: a webhook says "look again", and every effect looks before
//! it acts, so that doing it twice changes nothing more.

mod answer;
mod client;
mod co_author;
mod deliveries;
mod error;
mod etags;
mod identity;
mod limit;
mod observe;
mod page;
mod pages;
mod protection;
mod publish;
mod pulls;
mod shown;
mod token;
mod webhook;
mod wire;

pub use self::{
    client::{Config, GitHub},
    deliveries::Undelivered,
    error::Error,
    identity::Me,
    observe::{Ask, Seeing},
    publish::{Annotation, Applied, MOST_ANNOTATIONS, MergeText, Texts},
    pulls::PullBrief,
    shown::shown_digest,
    webhook::{
        BadSignature, CommentEvent, Hint, Malformed, PullAction, PullEvent, ReviewAction, ReviewEvent, parse,
        verify,
    },
};
