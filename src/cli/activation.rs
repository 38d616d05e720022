//! The listening sockets that the service manager opened before this process was started: systemd's socket activation.

use std::{env, io};

use listenfd::ListenFd;

use crate::server::{Given, checked};

/// What `FileDescriptorName=` calls the socket of the admin address.
const ADMIN: &str = "admin";

/// Why the service manager's sockets cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ActivationError {
    #[error(
        "the service manager hands over more sockets than sluicegate listens on: one for clients, and one for the admin \
         address, whose unit says `FileDescriptorName=admin`"
    )]
    TooMany,
    #[error(
        "the service manager hands over a socket that sluicegate cannot listen on: {0}. It takes `ListenStream=` with a \
         port, or an address and a port, and no `Accept=yes`"
    )]
    Unusable(io::Error),
}

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Main,
    Admin,
}

/// Takes the sockets, and what speaks of them out of the environment: called before there are threads or children.
pub(super) fn sockets() -> Result<Given, ActivationError> {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut sockets = ListenFd::from_env();
    let mut given = Given { are_kept: true, ..Given::default() };
    for (index, role) in roles(sockets.len(), &names)?.into_iter().enumerate() {
        let socket = sockets.take_tcp_listener(index).and_then(|socket| socket.map(checked).transpose());
        let socket = socket.map_err(ActivationError::Unusable)?;
        match role {
            Role::Main => given.main = socket,
            Role::Admin => given.admin = socket,
        }
    }
    Ok(given)
}

/// What each of `count` sockets is for, whose names are `names`, with colons between.
fn roles(count: usize, names: &str) -> Result<Vec<Role>, ActivationError> {
    let mut names = names.split(':');
    let roles: Vec<Role> = std::iter::repeat_with(|| names.next())
        .map(|name| if name == Some(ADMIN) { Role::Admin } else { Role::Main })
        // One more than there can be, whatever the environment says.
        .take(count.min(3))
        .collect();
    let most = |role| roles.iter().filter(|found| **found == role).count() <= 1;
    if most(Role::Main) && most(Role::Admin) { Ok(roles) } else { Err(ActivationError::TooMany) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_for_clients_unless_it_is_named_admin() {
        assert_eq!(roles(0, "").unwrap(), []);
        assert_eq!(roles(1, "").unwrap(), [Role::Main]);
        assert_eq!(roles(1, "sluicegate.socket").unwrap(), [Role::Main]);
        assert_eq!(roles(1, "admin").unwrap(), [Role::Admin]);
        assert_eq!(roles(2, "admin:sluicegate.socket").unwrap(), [Role::Admin, Role::Main]);
        assert_eq!(roles(2, "unknown:admin").unwrap(), [Role::Main, Role::Admin]);
    }

    #[test]
    fn more_than_one_of_a_kind_is_an_error() {
        for (count, names) in [(2, ""), (2, "a:b"), (2, "admin:admin"), (3, "a:admin:b"), (usize::MAX, "")] {
            assert!(matches!(roles(count, names), Err(ActivationError::TooMany)), "{count} {names}");
        }
    }
}
