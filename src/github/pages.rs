//! Lists that come in pages, read to their end or not at all.

use serde::de::DeserializeOwned;
use url::Url;

use super::{client::GitHub, error::Error};

/// 3,000 entries of 100 a page; a longer list is an error, never a short one. INVARIANT i09.
const MAX_PAGES: usize = 30;

impl GitHub {
    /// All entries of a list.
    pub(super) async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Error> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut next = format!("{path}{joint}per_page=100");
        let mut all = Vec::new();
        for _ in 0..MAX_PAGES {
            let (page, link): (Vec<T>, _) = self.get_linked(&next).await?;
            all.extend(page);
            let Some(link) = link else { return Ok(all) };
            match following(&link, self.api()) {
                Ok(Some(path)) => next = path,
                Ok(None) => return Ok(all),
                Err(because) => {
                    return Err(Error::Malformed {
                        doing: format!("GET {path}"),
                        because: because.to_owned(),
                    });
                }
            }
        }
        Err(Error::Truncated {
            doing: format!("GET {path}"),
            because: format!("it goes on after {MAX_PAGES} pages"),
        })
    }
}

/// The path of the next page, relative to the API's base, so that it is asked with authentication and nowhere else.
pub(super) fn following(link: &str, api: &Url) -> Result<Option<String>, &'static str> {
    let next = link.split(',').find_map(|part| {
        let (target, parameters) = part.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters
            .split(';')
            .any(|one| matches!(one.trim(), "rel=\"next\"" | "rel=next"));
        is_next.then_some(target)
    });
    let Some(next) = next else { return Ok(None) };
    let url = api
        .join(next)
        .map_err(|_| "the link to the next page is not a URL")?;
    let base = api.path().trim_end_matches('/');
    let path = url
        .path()
        .strip_prefix(base)
        .filter(|path| path.starts_with('/'))
        .ok_or("the link to the next page leads out of the API")?;
    Ok(Some(match url.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(link: &str, api: &str) -> Result<Option<String>, &'static str> {
        following(link, &Url::parse(api).unwrap())
    }

    #[test]
    fn the_next_page_is_a_path_below_the_base() {
        assert_eq!(
            follow(
                r#"<https://api.github.com/repositories/1/pulls?page=1>; rel="prev", <https://api.github.com/repositories/1/pulls?per_page=100&page=3>; rel="next""#,
                "https://api.github.com"
            ),
            Ok(Some("/repositories/1/pulls?per_page=100&page=3".to_owned()))
        );
        assert_eq!(
            follow(
                r#"<https://ghe.example/api/v3/repos/a/b/pulls?page=2>; rel="next""#,
                "https://ghe.example/api/v3/"
            ),
            Ok(Some("/repos/a/b/pulls?page=2".to_owned()))
        );
    }

    #[test]
    fn the_last_page_has_none() {
        assert_eq!(
            follow(
                r#"<https://api.github.com/x?page=1>; rel="first""#,
                "https://api.github.com"
            ),
            Ok(None)
        );
    }

    #[test]
    fn a_link_out_of_the_api_is_refused() {
        assert!(
            follow(
                r#"<https://ghe.example/other?page=2>; rel="next""#,
                "https://ghe.example/api/v3"
            )
            .is_err()
        );
    }
}
