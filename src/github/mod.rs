//! The adapter to GitHub: hints in (webhooks), facts in (observations), effects out (pull requests, checks, merges).
//!
//! GitHub is a source of hints and facts, never of verdicts: a webhook says "look again", and every effect looks before
//! it acts, so that doing it twice changes nothing more.

mod answer;
mod budget;
mod call;
mod client;
mod clock;
mod co_author;
mod deliveries;
mod error;
mod etags;
mod group;
mod hand;
mod identity;
mod issues;
mod limit;
mod observe;
mod page;
mod pages;
mod protection;
mod publish;
mod pulls;
mod shown;
mod sight;
mod token;
mod watcher;
mod webhook;
mod wire;
mod workflow;

pub use self::{
    budget::{Asked, tallied},
    client::{Config, GitHub},
    deliveries::Delivered,
    error::Error,
    hand::{Hand, Sheet, Written},
    identity::Me,
    observe::{Ask, Seeing},
    protection::{Guarded, Look},
    publish::{Annotation, Applied, MOST_ANNOTATIONS, MergeText, Texts},
    pulls::{Made, PullBrief},
    shown::shown_digest,
    watcher::Watcher,
    webhook::{
        BadSignature, CommentEvent, Hint, Malformed, PullAction, PullEvent, ReviewAction, ReviewEvent, parse,
        verify,
    },
    workflow::Unguarded,
};
