//! Where the reader is in a pickle.

use super::Refused;

/// The bytes that are left.
pub(super) struct Cursor<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, Refused> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Refused)?;
        self.rest = rest;
        Ok(*array)
    }

    /// A length in `N` bytes, little end first.
    pub(super) fn length<const N: usize>(&mut self) -> Result<usize, Refused> {
        let bytes = self.array::<N>()?;
        bytes.iter().rev().try_fold(0_usize, |length, byte| {
            length.checked_mul(256).and_then(|length| length.checked_add((*byte).into())).ok_or(Refused)
        })
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Refused> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Refused)?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn line(&mut self) -> Result<&'a [u8], Refused> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').ok_or(Refused)?;
        let line = self.take(end)?;
        self.byte()?;
        Ok(line)
    }
}
