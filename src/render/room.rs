//! Comments and check runs always get through: what GitHub would not take is counted or marked, never dropped unsaid.

use super::{RenderError, plain::shorten, visible};

/// The longest comment or check summary, in characters.
pub(super) const MAX_COMMENT: usize = 65_535;

/// The first text that GitHub takes, from the roomiest to the tightest way of writing it.
pub(super) fn within_limit<R, const N: usize>(
    rooms: [R; N],
    write: impl Fn(R) -> Result<String, RenderError>,
) -> Result<String, RenderError> {
    let mut have = 0;
    for room in rooms {
        let text = write(room)?;
        have = text.chars().count();
        if have <= MAX_COMMENT {
            return Ok(text);
        }
    }
    Err(RenderError::TooLong {
        what: "comment",
        have,
        max: MAX_COMMENT,
    })
}

/// A line in so many characters, counted as it will be seen; marked with `…` when shortened.
pub(super) fn shortened(text: &str, room: usize) -> String {
    shorten(&visible::line(text), room)
}
