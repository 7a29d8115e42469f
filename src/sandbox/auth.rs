//! Who a request comes from: user tokens, installation tokens, app JWTs.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use super::answer::Refusal;
use super::call::Caller;
use super::state::{App, State, Token};

/// The longest life of an app's JWT, in seconds, with a minute for drifting clocks.
const LONGEST: i64 = 600 + 60;

#[derive(Deserialize)]
struct Claims {
    iss: Issuer,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Issuer {
    Number(u64),
    Text(String),
}

/// Whether a JWT is neither expired, nor too long-lived, nor from the future.
fn timely(claims: &Claims, now: i64) -> Result<(), Refusal> {
    if claims.exp <= now {
        return Err(Refusal::new(
            401,
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
        ));
    }
    if claims.exp > now + LONGEST || claims.exp - claims.iat > LONGEST {
        return Err(Refusal::new(
            401,
            "'Expiration time' claim ('exp') is too far in the future",
        ));
    }
    if claims.iat > now + 60 {
        return Err(Refusal::new(
            401,
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
        ));
    }
    Ok(())
}

impl State {
    /// Reads an `Authorization` header.
    pub(crate) fn authenticate(&self, header: Option<&str>) -> Result<Caller, Refusal> {
        let Some(header) = header else {
            return Ok(Caller::Anonymous);
        };
        let (scheme, rest) = header.split_once(' ').ok_or_else(Refusal::bad_credentials)?;
        let secret = rest.trim();
        if scheme.eq_ignore_ascii_case("basic") {
            let pair = STANDARD
                .decode(secret)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = pair.ok_or_else(Refusal::bad_credentials)?;
            let (user, password) = pair.split_once(':').unwrap_or((pair.as_str(), ""));
            let token = if password.is_empty() || password == "x-oauth-basic" {
                user
            } else {
                password
            };
            return self.token(token);
        }
        if secret.split('.').count() == 3 {
            self.app_by_jwt(secret)
        } else {
            self.token(secret)
        }
    }

    fn token(&self, text: &str) -> Result<Caller, Refusal> {
        match self.tokens.get(text) {
            Some(Token::User { id }) if self.account(*id).is_some_and(|account| !account.deleted) => {
                Ok(Caller::User { id: *id })
            }
            Some(Token::Installation(grant)) if grant.expires_at > self.now() => Ok(Caller::Installation {
                id: grant.installation,
                token: text.to_owned(),
            }),
            Some(_) | None => Err(Refusal::bad_credentials()),
        }
    }

    fn app_by_jwt(&self, jwt: &str) -> Result<Caller, Refusal> {
        let undecodable = || Refusal::new(401, "A JSON web token could not be decoded");
        let mut unverified = Validation::new(Algorithm::RS256);
        unverified.validate_exp = false;
        unverified.required_spec_claims.clear();
        let claims = jsonwebtoken::dangerous::insecure_decode::<Claims>(jwt)
            .map_err(|_| undecodable())?
            .claims;
        let app = self
            .issuer(&claims.iss)
            .ok_or_else(|| Refusal::new(404, "Integration not found"))?;
        let key = DecodingKey::from_rsa_der(&app.public_key);
        jsonwebtoken::decode::<Claims>(jwt, &key, &unverified).map_err(|_| undecodable())?;
        // Libraries make JWTs by the machine's clock, which no test can set: either clock may find them timely.
        let by_ours = timely(&claims, self.now().as_second());
        by_ours.or_else(|refusal| timely(&claims, Timestamp::now().as_second()).map_err(|_| refusal))?;
        Ok(Caller::App { id: app.id })
    }

    fn issuer(&self, issuer: &Issuer) -> Option<&App> {
        let text = match issuer {
            Issuer::Number(id) => return self.apps.get(id),
            Issuer::Text(text) => text,
        };
        match text.strip_prefix("Iv23li") {
            Some(client) => client.parse().ok().and_then(|id: u64| self.apps.get(&id)),
            None => text.parse().ok().and_then(|id: u64| self.apps.get(&id)),
        }
    }

    /// The name under which requests of this caller are recorded.
    pub(crate) fn caller_name(&self, caller: &Caller) -> Option<String> {
        match caller {
            Caller::Anonymous => None,
            Caller::App { id } => self.apps.get(id).map(|app| app.slug.clone()),
            Caller::User { .. } | Caller::Installation { .. } => {
                let actor = self.actor(caller).ok()?;
                self.account(actor).map(|account| account.login.clone())
            }
        }
    }
}
