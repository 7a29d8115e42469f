//! The sandbox's door for clients that speak HTTP over a unix socket, as `gh` does with `http_unix_socket`.
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::error::Error;

/// A socket file that is there for as long as this value is.
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
    /// Device and inode: what stands at the path later may be somebody else's.
    file: (u64, u64),
}

impl Socket {
    /// Listens at a path, for this user only. A socket that nobody answers any more is replaced, anything else is not.
    pub(crate) fn bind(path: &Path) -> Result<(Self, UnixListener), Error> {
        listen(path).map_err(|why| Error::Socket {
            path: path.to_owned(),
            why,
        })
    }
}

fn listen(path: &Path) -> io::Result<(Socket, UnixListener)> {
    make_room(path)?;
    // The mode of a new socket hangs on the umask of the whole process: it is made where nobody else can look,
    // and moved out once it is closed to others.
    let within = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let closet = within
        .unwrap_or(Path::new("."))
        .join(format!(".{:08x}", rand::random::<u32>()));
    std::fs::DirBuilder::new().mode(0o700).create(&closet)?;
    let bound = bind_in(&closet, path);
    let swept = std::fs::remove_dir(&closet);
    let (socket, listener) = bound?;
    swept?;
    Ok((socket, listener))
}

fn bind_in(closet: &Path, path: &Path) -> io::Result<(Socket, UnixListener)> {
    let new = closet.join("s");
    let listener = UnixListener::bind(&new)?;
    let moved = || {
        listener.set_nonblocking(true)?;
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600))?;
        let made = std::fs::symlink_metadata(&new)?;
        std::fs::rename(&new, path)?;
        Ok(Socket {
            path: path.to_owned(),
            file: (made.dev(), made.ino()),
        })
    };
    match moved() {
        Ok(socket) => Ok((socket, listener)),
        Err(error) => {
            // The reason why it could not be used says more than why it could not be swept away.
            let _ = std::fs::remove_file(&new);
            Err(error)
        }
    }
}

/// Removes what an earlier sandbox left behind when it was killed.
fn make_room(path: &Path) -> io::Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let taken = |what: &str| {
        let said = format!("{what}; name another path");
        Err(io::Error::new(io::ErrorKind::AlreadyExists, said))
    };
    if !found.file_type().is_socket() {
        return taken("a file that is not a socket is there");
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => taken("another process listens there"),
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path).is_ok_and(|now| (now.dev(), now.ino()) == self.file);
        if ours {
            // Nobody answers at it any more; the next sandbox replaces it should it stay.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_its_users_alone_and_gone_at_the_end() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("gh.sock");
        let (socket, _listener) = Socket::bind(&path).unwrap();
        let mode = std::fs::symlink_metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
        drop(socket);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn only_a_socket_that_nobody_answers_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("gh.sock");
        drop(UnixListener::bind(&path).unwrap());
        let (first, _listening) = Socket::bind(&path).unwrap();
        let twice = Socket::bind(&path).unwrap_err().to_string();
        assert!(twice.contains("another process listens"), "{twice}");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "notes").unwrap();
        let file = Socket::bind(&path).unwrap_err().to_string();
        assert!(file.contains("not a socket"), "{file}");
        drop(first);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "notes");
    }
}
