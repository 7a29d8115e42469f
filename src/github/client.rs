//! The client of one repository's installation: requests, answers, limits, time.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use octocrab::Octocrab;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    runtime::Handle,
    sync::{Mutex as Turn, OnceCell, Semaphore},
    time::{Instant, sleep},
};
use url::Url;

pub(super) use super::call::{Call, Caller, segment};
use super::{
    answer::Answer,
    budget::{self, Budget, Purpose},
    clock::Dated,
    error::Error,
    etags::{Etags, Kept},
    identity::Me,
    limit,
    token::{AppKey, Scope, Token},
};
use crate::domain::ids::{RepoName, Timestamp};

/// The longest answer that is read, in bytes.
const LARGEST: usize = 32 * 1024 * 1024;
/// How long one exchange may take.
const EXCHANGE: Duration = Duration::from_secs(30);
/// How long a call may wait for rate limits, together.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pauses before a failed read is made again; writes are never repeated blindly.
const AGAIN: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(1)];
/// Reads at a time; GitHub allows 100 concurrent requests for everything an app does.
const READS: usize = 8;
/// How long a branch is taken to be without classic protection: a 404 is no answer that could be kept for a condition.
const BARE: Duration = Duration::from_secs(300);

/// How to reach GitHub as an app.
#[derive(Clone)]
pub struct Config {
    /// `https://api.github.com`, or `https://HOST/api/v3` of an Enterprise Server.
    pub api: Url,
    /// The app's id.
    pub app_id: u64,
    /// The app's RSA private key in PEM.
    pub private_key_pem: SecretString,
    /// The repository it works in.
    pub repo: RepoName,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("api", &self.api.as_str())
            .field("app_id", &self.app_id)
            .field("repo", &self.repo)
            .finish_non_exhaustive()
    }
}

/// A client for one repository, authenticated as the app's installation on it. Cheap to clone.
#[derive(Clone)]
pub struct GitHub(Arc<Inner>, pub(super) Purpose);

struct Inner {
    api: Url,
    repo: RepoName,
    scope: Scope,
    credential: Arc<Credential>,
    transport: Octocrab,
    runtime: Handle,
    token: Turn<Option<Token>>,
    me: OnceCell<Me>,
    etags: Mutex<Etags>,
    reads: Arc<Semaphore>,
    writes: Arc<Turn<()>>,
    closed_until: Arc<Mutex<Option<(Instant, Timestamp)>>>,
    clock: AtomicI64,
    ahead: AtomicI64,
    dated: Mutex<Option<Dated>>,
    bare: Mutex<BTreeMap<String, Instant>>,
    budget: Arc<Budget>,
}

/// Who the client is.
enum Credential {
    /// An app's installation.
    App(AppKey),
    /// Whoever holds a token.
    Token(SecretString),
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub")
            .field("api", &self.0.api.as_str())
            .field("repo", &self.0.repo)
            .finish_non_exhaustive()
    }
}

impl GitHub {
    /// A client for one repository. Makes no request yet.
    ///
    /// # Errors
    /// [`Error::Setup`] when the key can't be read, the base is no HTTP URL, or no Tokio runtime is running.
    pub fn connect(config: Config) -> Result<Self, Error> {
        let key = AppKey::read(config.app_id, &config.private_key_pem)?;
        Self::begin(config.api, config.repo, Credential::App(key))
    }

    /// A client for one repository in the name of whoever holds a token. Makes no request yet.
    pub(super) fn with_token(api: Url, repo: RepoName, token: SecretString) -> Result<Self, Error> {
        Self::begin(api, repo, Credential::Token(token))
    }

    fn begin(api: Url, repo: RepoName, credential: Credential) -> Result<Self, Error> {
        let setup = |because: String| Error::Setup { because };
        let plain = api.username().is_empty() && api.password().is_none();
        if !matches!(api.scheme(), "http" | "https") || !plain {
            return Err(setup(
                "the API base must be like `https://api.github.com` or `https://HOST/api/v3`".to_owned(),
            ));
        }
        let runtime = Handle::try_current()
            .map_err(|_| setup("it must be made inside a running Tokio runtime".to_owned()))?;
        let transport = Octocrab::builder()
            .base_uri(api.as_str())
            .and_then(|builder| {
                builder
                    .set_connect_timeout(Some(EXCHANGE))
                    .set_read_timeout(Some(EXCHANGE))
                    .set_write_timeout(Some(EXCHANGE))
                    .build()
            })
            .map_err(|error| setup(first_line(&error.to_string())))?;
        let inner = Arc::new(Inner {
            api,
            repo,
            scope: Scope::Whole,
            credential: Arc::new(credential),
            transport,
            runtime,
            token: Turn::default(),
            me: OnceCell::new(),
            etags: Mutex::default(),
            reads: Arc::new(Semaphore::new(READS)),
            writes: Arc::default(),
            closed_until: Arc::default(),
            clock: AtomicI64::new(0),
            ahead: AtomicI64::new(0),
            dated: Mutex::default(),
            bare: Mutex::default(),
            budget: Arc::default(),
        });
        Ok(Self(inner, Purpose::Ordinary))
    }

    /// A client of the same app for the workflows of a repository, with a token of its own that allows nothing else and
    /// within the same limits. INVARIANT i19.
    #[must_use]
    pub fn for_workflows(&self, repo: RepoName) -> Self {
        let of = &self.0;
        let inner = Arc::new(Inner {
            api: of.api.clone(),
            repo,
            scope: Scope::Workflows,
            credential: Arc::clone(&of.credential),
            transport: of.transport.clone(),
            runtime: of.runtime.clone(),
            token: Turn::default(),
            me: of.me.clone(),
            etags: Mutex::default(),
            reads: Arc::clone(&of.reads),
            writes: Arc::clone(&of.writes),
            closed_until: Arc::clone(&of.closed_until),
            clock: AtomicI64::new(of.clock.load(Ordering::Relaxed)),
            ahead: AtomicI64::new(of.ahead.load(Ordering::Relaxed)),
            dated: Mutex::default(),
            bare: Mutex::default(),
            budget: Arc::clone(&of.budget),
        });
        Self(inner, Purpose::Ordinary)
    }

    /// The same client, whose writes may use what is kept for voiding and closing.
    pub(super) fn for_voiding(&self) -> Self {
        Self(Arc::clone(&self.0), Purpose::Voiding)
    }

    /// The repository it works in.
    pub fn repo(&self) -> &RepoName {
        &self.0.repo
    }

    /// The app's id; its check runs carry it. 0, which is no app's, for whoever holds a token.
    pub fn app_id(&self) -> u64 {
        match &*self.0.credential {
            Credential::App(key) => key.app_id(),
            Credential::Token(_) => 0,
        }
    }

    /// The newest `Date` that GitHub has sent; `None` before the first answer. INVARIANT i30.
    pub fn clock(&self) -> Option<Timestamp> {
        match self.0.clock.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(Timestamp::from_millis(millis)),
        }
    }

    /// An installation token for Git over HTTPS, with the login `x-access-token`; good for five minutes at least.
    ///
    /// # Errors
    /// When the app is not installed on the repository, or GitHub does not answer.
    pub async fn token(&self) -> Result<SecretString, Error> {
        if let Credential::Token(token) = &*self.0.credential {
            return Ok(token.clone());
        }
        let mut held = self.0.token.lock().await;
        if let Some(token) = held.as_ref().filter(|token| token.is_good()) {
            return Ok(token.secret());
        }
        let token = self.mint().await?;
        let secret = token.secret();
        *held = Some(token);
        Ok(secret)
    }

    /// [`GitHub::token`] for a thread of its own; it must not be called from asynchronous code, which it would block.
    ///
    /// # Errors
    /// As [`GitHub::token`]; and when the runtime has stopped.
    pub fn token_blocking(&self) -> Result<SecretString, Error> {
        let (give, take) = std::sync::mpsc::sync_channel(1);
        let github = self.clone();
        self.0.runtime.spawn(async move {
            // Nobody waits any more when the receiver is gone.
            let _ = give.send(github.token().await);
        });
        take.recv().map_err(|_| Error::Network {
            doing: "POST /app/installations/access_tokens".to_owned(),
            because: "the runtime has stopped".to_owned(),
        })?
    }

    pub(super) fn api(&self) -> &Url {
        &self.0.api
    }

    pub(super) fn scope(&self) -> Scope {
        self.0.scope
    }

    pub(super) fn me_cell(&self) -> &OnceCell<Me> {
        &self.0.me
    }

    /// GitHub's time as well as it is known: the local clock, put right by the last `Date`.
    pub(super) fn now_there(&self) -> Timestamp {
        Timestamp::from_millis(local_millis().saturating_add(self.0.ahead.load(Ordering::Relaxed)))
    }

    /// `/repos/OWNER/NAME` and the rest.
    pub(super) fn in_repo(&self, rest: &str) -> String {
        format!("/repos/{}{rest}", self.0.repo)
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.get_linked(path).await.map(|(value, _)| value)
    }

    /// A GET, asked conditionally when an answer is kept; only what could be read is kept.
    pub(super) async fn get_linked<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<(T, Option<String>), Error> {
        let call = Call {
            method: Method::GET,
            path,
            body: Bytes::new(),
            caller: Caller::Installation,
        };
        let kept = self.etags().get(path);
        let answer = self
            .ask(&call, kept.as_ref().map(|kept| kept.etag.as_str()))
            .await?;
        if answer.status == StatusCode::NOT_MODIFIED {
            let kept = kept.ok_or_else(|| Error::Malformed {
                doing: call.doing(),
                because: "304 to a request without a condition".to_owned(),
            })?;
            return Ok((read(&call, &kept.body)?, kept.link.clone()));
        }
        let value = read(&call, &answer.body)?;
        if let Some(etag) = answer.etag {
            let kept = Kept {
                etag,
                body: answer.body,
                link: answer.link.clone(),
            };
            self.etags().put(path, kept);
        }
        Ok((value, answer.link))
    }

    /// A GET in the app's own name.
    pub(super) async fn get_as_app<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.get_linked_as_app(path).await.map(|(value, _)| value)
    }

    /// The same, with the links to other pages.
    pub(super) async fn get_linked_as_app<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<(T, Option<String>), Error> {
        let call = Call {
            method: Method::GET,
            path,
            body: Bytes::new(),
            caller: Caller::App,
        };
        let answer = self.ask(&call, None).await?;
        Ok((read(&call, &answer.body)?, answer.link))
    }

    /// A write, made once: after an uncertain failure the caller reads back and decides. INVARIANT i31.
    pub(super) async fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        self.write_as(Caller::Installation, method, path, body).await
    }

    pub(super) async fn write_as<T: DeserializeOwned>(
        &self,
        caller: Caller,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(body).map_err(|error| Error::Malformed {
            doing: format!("{method} {path}"),
            because: error.to_string(),
        })?;
        let call = Call {
            method,
            path,
            body: body.into(),
            caller,
        };
        read(&call, &self.ask(&call, None).await?.body)
    }

    /// Asks until there is an answer that is not about limits, within patience; repeats only reads.
    /// On the heap: it is part of every future of this room, and those are polled deep inside others.
    async fn ask(&self, call: &Call<'_>, etag: Option<&str>) -> Result<Answer, Error> {
        Box::pin(self.ask_again(call, etag)).await
    }

    async fn ask_again(&self, call: &Call<'_>, etag: Option<&str>) -> Result<Answer, Error> {
        let mut waited = Duration::ZERO;
        let mut failures = AGAIN.iter();
        let mut renewed = false;
        loop {
            self.respect_limits(call).await?;
            let answer = match self.exchange(call, etag).await {
                Ok(answer) => answer,
                Err(error) => match failures.next().filter(|_| call.reads() && error.is_uncertain()) {
                    Some(pause) => {
                        sleep(*pause).await;
                        continue;
                    }
                    None => return Err(error),
                },
            };
            if let Some(wait) = limit::wait(&answer) {
                waited = waited.saturating_add(wait);
                let until = self.close_for(wait);
                if waited > PATIENCE {
                    return Err(Error::RateLimited {
                        doing: call.doing(),
                        until,
                    });
                }
                continue;
            }
            match answer.status {
                status if status.is_success() || status == StatusCode::NOT_MODIFIED => return Ok(answer),
                StatusCode::UNAUTHORIZED if !renewed => {
                    renewed = true;
                    if call.caller == Caller::Installation {
                        *self.0.token.lock().await = None;
                    }
                }
                status if status.is_server_error() && call.reads() => match failures.next() {
                    Some(pause) => sleep(*pause).await,
                    None => return Err(answer.refusal(call.doing())),
                },
                _ => return Err(answer.refusal(call.doing())),
            }
        }
    }

    /// Waits for a limit that is known already, or says until when it lasts.
    async fn respect_limits(&self, call: &Call<'_>) -> Result<(), Error> {
        if call.caller == Caller::Installation
            && let Some(until) = self.0.budget.kept_until(&call.method, self.1, self.now_there())
        {
            return Err(Error::RateLimited {
                doing: call.doing(),
                until,
            });
        }
        let closed = *self.closed_until();
        let Some((instant, until)) = closed else {
            return Ok(());
        };
        let wait = instant.saturating_duration_since(Instant::now());
        if wait > PATIENCE {
            return Err(Error::RateLimited {
                doing: call.doing(),
                until,
            });
        }
        sleep(wait).await;
        Ok(())
    }

    fn close_for(&self, wait: Duration) -> Timestamp {
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let until = Timestamp::from_millis(self.now_there().millis().saturating_add(millis));
        // A limit longer than a day is a mistake of somebody's clock; the next call asks again.
        let instant = Instant::now() + wait.min(Duration::from_secs(86_400));
        *self.closed_until() = Some((instant, until));
        until
    }

    /// One exchange over the wire, with bounded time and size.
    async fn exchange(&self, call: &Call<'_>, etag: Option<&str>) -> Result<Answer, Error> {
        let secret = match call.caller {
            Caller::App => match &*self.0.credential {
                Credential::App(key) => key.sign(self.now_there())?,
                Credential::Token(_) => {
                    return Err(Error::Setup {
                        because: "a token is no app's; give the app's id and its key".to_owned(),
                    });
                }
            },
            Caller::Installation => Box::pin(self.token()).await?,
        };
        let _reading;
        let _writing;
        if call.reads() {
            _reading = self.0.reads.acquire().await.ok();
        } else {
            _writing = self.0.writes.lock().await;
        }
        let broken = |because: String| Error::Network {
            doing: call.doing(),
            because,
        };
        let mut authorization = header::HeaderValue::from_str(&format!("Bearer {}", secret.expose_secret()))
            .map_err(|_| Error::Unauthorised { doing: call.doing() })?;
        authorization.set_sensitive(true);
        let mut request = http::Request::builder()
            .method(&call.method)
            .uri(call.path)
            .header(header::AUTHORIZATION, authorization)
            .header(header::ACCEPT, "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28");
        if !call.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let request = request
            .body(call.body.clone())
            .map_err(|error| broken(error.to_string()))?;
        let asked = Instant::now();
        let exchanged = tokio::time::timeout(EXCHANGE, async {
            let response = self.0.transport.execute(request).await;
            let (parts, body) = response
                .map_err(|error| broken(first_line(&error.to_string())))?
                .into_parts();
            let body = Limited::new(body, LARGEST)
                .collect()
                .await
                .map_err(|error| broken(first_line(&error.to_string())))?;
            Ok(Answer::new(parts.status, &parts.headers, body.to_bytes()))
        })
        .await
        .unwrap_or_else(|_| Err(broken(format!("nothing for {} s", EXCHANGE.as_secs()))));
        let status = exchanged.as_ref().map_or(0, |answer| answer.status.as_u16());
        budget::count(&call.method, exchanged.as_ref().ok().map(|answer| answer.status));
        metrics::counter!(
            "countersign_github_calls_total",
            "method" => call.method.to_string(),
            "status" => status.to_string()
        )
        .increment(1);
        let answer = exchanged?;
        if call.caller == Caller::Installation {
            self.0.budget.note(&answer);
        }
        if let Some(date) = answer.date {
            let heard = Instant::now();
            *self.0.dated.lock().unwrap_or_else(PoisonError::into_inner) = Some(Dated { date, asked, heard });
            self.0.clock.fetch_max(date.millis(), Ordering::Relaxed);
            self.0
                .ahead
                .store(date.millis().saturating_sub(local_millis()), Ordering::Relaxed);
        }
        Ok(answer)
    }

    /// What GitHub's clock said last.
    pub(super) fn dated(&self) -> Option<Dated> {
        *self.0.dated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a branch had no classic protection a while ago. It could only have become stronger since.
    pub(super) fn is_bare(&self, path: &str) -> bool {
        let bare = self.0.bare.lock().unwrap_or_else(PoisonError::into_inner);
        bare.get(path).is_some_and(|seen| seen.elapsed() < BARE)
    }

    pub(super) fn note_bare(&self, path: &str) {
        let mut bare = self.0.bare.lock().unwrap_or_else(PoisonError::into_inner);
        bare.insert(path.to_owned(), Instant::now());
    }

    /// Rules changed: what was known to be missing may be there.
    pub fn forget_bare(&self) {
        self.0.bare.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn etags(&self) -> std::sync::MutexGuard<'_, Etags> {
        self.0.etags.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn closed_until(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Timestamp)>> {
        self.0.closed_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read<T: DeserializeOwned>(call: &Call<'_>, body: &[u8]) -> Result<T, Error> {
    let body = if body.is_empty() { b"null".as_slice() } else { body };
    serde_json::from_slice(body).map_err(|error| Error::Malformed {
        doing: call.doing(),
        because: error.to_string(),
    })
}

fn first_line(text: &str) -> String {
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect()
}

fn local_millis() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}
