//! Git over HTTP: `git http-backend` on the bare repositories, with the sandbox's access rules in front.
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, LazyLock};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::call::Caller;
use super::changes::ZERO;
use super::faults::{self, Failure};
use super::guard::Change;
use super::running::Shared;
use super::server::plain;
use super::state::{Access, State};

/// One ref update that a push asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Update {
    old: String,
    new: String,
    name: String,
}

struct Plan {
    repo: u64,
    dir: PathBuf,
    home: PathBuf,
    user: String,
    pushing: Arc<tokio::sync::Mutex<()>>,
    rules: String,
}

/// Answers one request of a Git client.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let Some((repo, tail)) = uri.path().split_once(".git/") else {
        return plain(StatusCode::NOT_FOUND);
    };
    let Some((owner, name)) = repo.trim_start_matches('/').split_once('/') else {
        return plain(StatusCode::NOT_FOUND);
    };
    let failure = faults::take(&mut shared.lock().faults, method.as_str(), uri.path());
    match failure {
        None | Some(Failure::After { .. } | Failure::Empty | Failure::Truncated) => {}
        Some(Failure::Slow { by }) => tokio::time::sleep(by).await,
        Some(Failure::PrimaryLimit { .. }) => return plain(StatusCode::FORBIDDEN),
        Some(
            Failure::SecondaryLimit { status, .. }
            | Failure::Before { status }
            | Failure::Refuse { status, .. },
        ) => return plain(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY)),
    }
    let query = uri.query().unwrap_or_default();
    let writing = tail == "git-receive-pack" || query.contains("service=git-receive-pack");
    let gzipped = headers
        .get("content-encoding")
        .is_some_and(|encoding| encoding.as_bytes() == b"gzip");
    if tail == "git-receive-pack" && gzipped {
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let header = headers.get("authorization").and_then(|value| value.to_str().ok());
    let updates = if tail == "git-receive-pack" {
        commands(&body)
    } else {
        Vec::new()
    };
    let plan = match admit(&shared.lock(), header, owner, name, writing, &updates) {
        Ok((plan, caller)) => (plan, caller),
        Err(response) => return *response,
    };
    let (plan, caller) = plan;
    let _turn = match tail {
        "git-receive-pack" => Some(Arc::clone(&plan.pushing).lock_owned().await),
        _ => None,
    };
    let response = run(&plan, method, tail, query, headers, body).await;
    if tail == "git-receive-pack" && !updates.is_empty() {
        let noted = tokio::task::spawn_blocking(move || {
            let mut state = shared.lock();
            let actor = state.actor(&caller)?;
            state.sync_refs(plan.repo, actor)
        });
        if !matches!(noted.await, Ok(Ok(()))) {
            return plain(StatusCode::INTERNAL_SERVER_ERROR);
        }
    }
    match failure {
        Some(Failure::After { status }) => {
            plain(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY))
        }
        Some(Failure::Empty | Failure::Truncated) => Response::new(Body::empty()),
        Some(_) | None => response.unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR)),
    }
}

fn admit(
    state: &State,
    header: Option<&str>,
    owner: &str,
    name: &str,
    writing: bool,
    updates: &[Update],
) -> Result<(Plan, Caller), Box<Response<Body>>> {
    let caller = state.authenticate(header).map_err(|_| Box::new(challenge()))?;
    let access = if writing { Access::Write } else { Access::Read };
    let repo = state
        .reach(&caller, owner, name, "contents", access)
        .and_then(|id| state.repo(id));
    let repo = repo.map_err(|refusal| {
        Box::new(match caller {
            Caller::Anonymous => challenge(),
            Caller::User { .. } | Caller::App { .. } | Caller::Installation { .. } => {
                let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::FORBIDDEN);
                plain(status)
            }
        })
    })?;
    let mut rules = String::new();
    for update in updates {
        let change = match (update.old.as_str(), update.new.as_str()) {
            (_, ZERO) => Change::Delete,
            (ZERO, to) => Change::Create { to },
            (_, to) => Change::Update { to },
        };
        let guard = state.guard(&caller, repo, &update.name, change);
        for (rule, why) in [("refuse", &guard.refuse), ("fast-forward", &guard.fast_forward)] {
            if let Some(why) = why {
                // Writing to a String cannot fail.
                let _ = writeln!(rules, "{rule} {} {why}", update.name);
            }
        }
    }
    let plan = Plan {
        repo: repo.id,
        dir: repo.dir.clone(),
        home: state.dir.clone(),
        user: state.caller_name(&caller).unwrap_or_default(),
        pushing: Arc::clone(&repo.pushing),
        rules,
    };
    Ok((plan, caller))
}

fn challenge() -> Response<Body> {
    let mut response = plain(StatusCode::UNAUTHORIZED);
    let realm = HeaderValue::from_static("Basic realm=\"GitHub\"");
    response.headers_mut().insert("www-authenticate", realm);
    response
}

/// The commands at the head of a push: pkt-lines `old new ref`, up to the flush.
fn commands(body: &[u8]) -> Vec<Update> {
    let mut updates = Vec::new();
    let mut rest = body;
    while let Some((head, tail)) = rest.split_at_checked(4) {
        let length = std::str::from_utf8(head)
            .ok()
            .and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let Some((line, after)) = length.and_then(|length| tail.split_at_checked(length.checked_sub(4)?))
        else {
            break;
        };
        rest = after;
        let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = String::from_utf8_lossy(line);
        if let [old, new, name] = text.trim_end().splitn(3, ' ').collect::<Vec<_>>().as_slice() {
            updates.push(Update {
                old: (*old).to_owned(),
                new: (*new).to_owned(),
                name: (*name).to_owned(),
            });
        }
    }
    updates
}

/// Named by its whole path: a program that is looked for in a changed environment is started by a fork of this whole process.
static GIT: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|place| place.join("git"));
    places
        .find(|place| place.is_file())
        .unwrap_or_else(|| "git".into())
});

/// Runs `git http-backend` as a CGI program in a clean environment.
async fn run(
    plan: &Plan,
    method: &Method,
    tail: &str,
    query: &str,
    headers: &HeaderMap,
    body: Bytes,
) -> std::io::Result<Response<Body>> {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let root = plan.dir.parent().unwrap_or(&plan.dir);
    let name = plan.dir.file_name().unwrap_or_default().to_string_lossy();
    let mut child = Command::new(GIT.as_path())
        .arg("http-backend")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &plan.home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("PATH_INFO", format!("/{name}/{tail}"))
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", method.as_str())
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("REMOTE_USER", &plan.user)
        .env("SANDBOX_RULES", &plan.rules)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let feeding = child.stdin.take().map(|mut stdin| {
        tokio::spawn(async move {
            // The program may stop reading early; what it answers tells why.
            let _ = stdin.write_all(&body).await;
        })
    });
    let output = child.wait_with_output().await?;
    if let Some(feeding) = feeding {
        feeding.abort();
    }
    Ok(cgi(&output.stdout))
}

/// Turns a CGI answer into an HTTP one.
fn cgi(output: &[u8]) -> Response<Body> {
    let split = output.windows(4).position(|window| window == b"\r\n\r\n");
    let Some((head, body)) = split.and_then(|at| output.split_at_checked(at)) else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(head).lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().and_then(|code| code.parse::<u16>().ok());
            response = response.status(code.unwrap_or(500));
        } else {
            response = response.header(name, value);
        }
    }
    let body = body.get(4..).unwrap_or_default().to_vec();
    response
        .body(Body::from(body))
        .unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

#[cfg(test)]
mod tests {
    use super::{Update, commands};

    #[test]
    fn a_push_is_read_up_to_its_flush() {
        let (old, new) = ("0".repeat(40), "a".repeat(40));
        let line = format!("{old} {new} refs/heads/x\0report-status");
        let body = format!("{:04x}{line}0000PACK", line.len() + 4);
        assert_eq!(
            commands(body.as_bytes()),
            [Update {
                old,
                new,
                name: "refs/heads/x".to_owned()
            }]
        );
        assert!(commands(b"0000").is_empty());
    }
}
