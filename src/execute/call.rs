//! One call: made once, or again with its key where the catalog promises that one key acts once.

use std::time::Duration;

use reqwest::{StatusCode, header::CONTENT_TYPE};

use super::{
    actions::by_workflow,
    command::{Finished, Meaning},
    credential::Occasion,
    http::{Outgoing, Reply, SendError},
    ready::{Tools, Unfit},
    room::Slot,
    unseal::{Clear, holds_sealed, unseal},
};
use crate::domain::{
    entry::Credential,
    ids::{ItemId, Span},
    warrant::{Call, Claimed, CommandCall, HttpCall},
};

/// A call whose effect is unclear is made this often at most, where the catalog promises that one key acts once.
const ATTEMPTS: u32 = 3;
/// The first pause before a call is made again; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(200);

/// What became of a call.
pub(super) enum Called {
    /// It was not made.
    Not(Unfit),
    /// No connection was made.
    Unsent(SendError),
    /// The target did it.
    Done(Answered),
    /// The target said no, and did nothing.
    Refused(Answered),
    /// It may or may not have taken effect.
    Unclear(String),
}

/// What a call is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To take a step.
    Do,
    /// To take one back.
    Undo,
}

/// What a target said.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// Its status, where it has one.
    pub(super) status: Option<u16>,
    /// One line for people.
    pub(super) note: String,
    /// What it says that its bytes are.
    pub(super) content_type: Option<String>,
    /// Its bytes as they came.
    pub(super) body: Option<Vec<u8>>,
}

impl From<Reply> for Answered {
    fn from(reply: Reply) -> Self {
        let (status, kept) = (reply.status, reply.body);
        let kind = reply.headers.get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok());
        Self {
            content_type: kind.map(str::to_owned),
            status: Some(status.as_u16()),
            note: match &kept {
                Ok(_) => status.to_string(),
                Err(error) => format!("{status}; {error} and was not kept"),
            },
            body: kept.ok(),
        }
    }
}

/// Makes a call. `unclear` says why it may have been made before, by whoever began this; `made` takes the credentials.
pub(super) async fn call(
    (call, purpose): (&Call, Purpose),
    item: &ItemId,
    unclear: Option<String>,
    claimed: &Claimed,
    tools: &Tools<'_>,
    made: &mut Vec<Credential>,
) -> Called {
    let body = call
        .body()
        .map(|body| unseal(body, claimed.proposal(), item, tools.key));
    match (body.transpose(), call) {
        (Err(error), _) => Called::Not(error.into()),
        (Ok(body), Call::Http(http)) => {
            let to = Target {
                call: http,
                purpose,
                item,
                claimed,
            };
            over_http(to, body.as_ref(), unclear, tools, made).await
        }
        (Ok(body), Call::Command(command)) => {
            by_command(command, body.as_ref(), unclear, claimed, tools).await
        }
        (Ok(_), Call::Workflow(workflow)) => by_workflow((workflow, purpose), unclear, claimed, tools).await,
        (Ok(_), Call::Thaw(thaw)) => match (tools.thaw)(thaw.freeze).await {
            Ok(Ok(())) => Called::Done(Answered {
                note: format!("what entry {} had frozen may run again", thaw.freeze),
                ..Answered::default()
            }),
            Ok(Err(note)) => Called::Refused(Answered {
                note,
                ..Answered::default()
            }),
            Err(why) => Called::Unclear(why),
        },
    }
}

/// A call over HTTP, and what it is for.
#[derive(Clone, Copy)]
struct Target<'a> {
    call: &'a HttpCall,
    purpose: Purpose,
    item: &'a ItemId,
    claimed: &'a Claimed,
}

async fn over_http(
    to: Target<'_>,
    body: Option<&Clear>,
    mut unclear: Option<String>,
    tools: &Tools<'_>,
    made: &mut Vec<Credential>,
) -> Called {
    let Target {
        call, item, claimed, ..
    } = to;
    let attempts = if call.repeatable { ATTEMPTS } else { 1 };
    let mut pause = PAUSE;
    for attempt in 0..attempts {
        if attempt > 0 {
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
        let _slot = match room(call, claimed, tools).await {
            Ok(slot) => slot,
            // What is half done is taken back, whatever others ask of the target.
            Err(_) if to.purpose == Purpose::Undo => None,
            Err(unfit) if unclear.is_none() => return Called::Not(unfit),
            Err(_) => break,
        };
        let now = (tools.clock)();
        let Some(left) = left(claimed, call.timeout, tools) else {
            break;
        };
        let body = match body.map(Clear::to_bytes).transpose() {
            Ok(body) => body,
            Err(error) => return Called::Not(Unfit::Request(error.to_string())),
        };
        let occasion = Occasion {
            claimed,
            item,
            call,
            body: body.as_ref(),
            number: u32::try_from(made.len()).unwrap_or(u32::MAX).saturating_add(1),
            now,
        };
        let shown = call.auth.as_deref();
        let shown = shown.map(|auth| tools.client.wallet().for_call(auth, &occasion));
        let pass = match (shown.transpose(), &unclear) {
            (Ok(None), _) => None,
            (Ok(Some((pass, credential))), _) => {
                made.extend(credential);
                Some(pass)
            }
            (Err(error), None) => return Called::Not(error.into()),
            (Err(_), Some(_)) => break,
        };
        let sent = tools
            .client
            .send(Outgoing {
                method: &call.method,
                url: &call.url,
                body,
                proposal: claimed.proposal().id,
                idempotency: Some((&call.idempotency_header, &call.idempotency_key)),
                headers: &[],
                timeout: left,
                allow_private: call.allow_private,
                // After a "maybe", on one of its own: what is left of others may all have ended with it.
                kept_connection: call.persistent && unclear.is_none(),
                pass,
            })
            .await;
        match sent {
            Ok(reply) => match (judge(reply.status), &unclear) {
                (Said::Yes, _) => return Called::Done(reply.into()),
                // A "no" after an unclear "maybe" does not tell what became of the first.
                (Said::No, None) => return Called::Refused(reply.into()),
                (Said::No | Said::Redirect, Some(_)) => break,
                (Said::Redirect, None) => {
                    return Called::Unclear(format!(
                        "answered {}, and redirects are not followed",
                        reply.status
                    ));
                }
                (Said::Maybe, _) => unclear = Some(format!("answered {}", reply.status)),
            },
            Err(error @ SendError::Unclear { .. }) => unclear = Some(error.to_string()),
            Err(error @ (SendError::Forbidden(_) | SendError::Unsent { .. })) => {
                if unclear.is_none() {
                    return Called::Unsent(error);
                }
            }
        }
    }
    match unclear {
        Some(why) => Called::Unclear(why),
        None => Called::Not(Unfit::TooLate(claimed.deadline())),
    }
}

/// Waits for room at the target for as long as leaves the call its time.
async fn room(call: &HttpCall, claimed: &Claimed, tools: &Tools<'_>) -> Result<Option<Slot>, Unfit> {
    let Some((host, bounds)) = tools.policy.bounds(&call.url) else {
        return Ok(None);
    };
    let left = claimed.deadline().since((tools.clock)());
    let spare = left.saturating_sub(call.timeout.millis());
    let within = Duration::from_millis(u64::try_from(spare).unwrap_or(0));
    match tools.client.rooms().slot(host, bounds, within).await {
        Some(slot) => Ok(Some(slot)),
        None => Err(Unfit::NoRoom {
            host: host.to_owned(),
        }),
    }
}

/// How long a call may take from now; none when it is too late.
fn left(claimed: &Claimed, timeout: Span, tools: &Tools<'_>) -> Option<Duration> {
    let left = claimed.deadline().since((tools.clock)()).min(timeout.millis());
    let left = u64::try_from(left).ok().filter(|left| *left > 0)?;
    Some(Duration::from_millis(left))
}

async fn by_command(
    call: &CommandCall,
    input: Option<&Clear>,
    mut unclear: Option<String>,
    claimed: &Claimed,
    tools: &Tools<'_>,
) -> Called {
    let attempts = if call.repeatable { ATTEMPTS } else { 1 };
    let mut pause = PAUSE;
    for attempt in 0..attempts {
        if attempt > 0 {
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
        let Some(left) = left(claimed, call.bounds.timeout, tools) else {
            break;
        };
        let input = match input.map(Clear::to_bytes).transpose() {
            Ok(input) => input.unwrap_or_default(),
            Err(error) => return Called::Not(Unfit::Request(error.to_string())),
        };
        let finished = match tools.commands.run(call, input, left).await {
            Ok(finished) => finished,
            Err(cannot) if unclear.is_none() => return Called::Not(cannot.into()),
            Err(_) => break,
        };
        let note = noted(&finished, call);
        match (finished.meaning(call), &unclear) {
            (Meaning::Done, _) => return Called::Done(finished.answered(note)),
            (Meaning::Refused, None) => return Called::Refused(finished.answered(note)),
            // As with a target: this "no" does not tell what became of the first.
            (Meaning::Refused, Some(_)) => break,
            (Meaning::Unclear, _) => unclear = Some(note),
        }
    }
    match unclear {
        Some(why) => Called::Unclear(why),
        None => Called::Not(Unfit::TooLate(claimed.deadline())),
    }
}

/// How a program ended and, when that is not well, what it said about it. INVARIANT i29: a program that was given a sealed
/// value may say it.
fn noted(finished: &Finished, call: &CommandCall) -> String {
    let ended = finished.ended.told(&call.bounds);
    let shown = finished.meaning(call) != Meaning::Done && !holds_sealed(&call.stdin);
    match finished.excerpt().filter(|_| shown) {
        Some(line) => format!("{ended}: {line}"),
        None => ended,
    }
}

enum Said {
    Yes,
    No,
    Maybe,
    Redirect,
}

fn judge(status: StatusCode) -> Said {
    match status.as_u16() {
        200..=299 => Said::Yes,
        300..=399 => Said::Redirect,
        408 | 409 | 425 | 429 => Said::Maybe,
        400..=499 => Said::No,
        _ => Said::Maybe,
    }
}
