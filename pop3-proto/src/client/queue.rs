//! Commands whose replies are outstanding, in the order in which they were sent.

use crate::codec::{MessageNumber, ReplyShape, Verb};

/// Names one command of a connection, so that its reply can be told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub(crate) u32);

/// A command that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outstanding {
    pub(crate) id: CommandId,
    pub(crate) verb: Verb,
    pub(crate) message: Option<MessageNumber>,
    pub(crate) shape: ReplyShape,
}

/// A ring of fixed size.
#[derive(Clone, Debug)]
pub(crate) struct Queue<const DEPTH: usize> {
    slots: [Option<Outstanding>; DEPTH],
    first: usize,
    len: usize,
}

impl<const DEPTH: usize> Queue<DEPTH> {
    pub(crate) const fn new() -> Self {
        Self { slots: [None; DEPTH], first: 0, len: 0 }
    }

    /// Whether there was room.
    pub(crate) fn push(&mut self, command: Outstanding) -> bool {
        if self.len >= DEPTH {
            return false;
        }
        let at = self.first.saturating_add(self.len).checked_rem(DEPTH).unwrap_or(0);
        match self.slots.get_mut(at) {
            Some(slot) => {
                *slot = Some(command);
                self.len = self.len.saturating_add(1);
                true
            }
            None => false,
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Outstanding> {
        let command = self.slots.get_mut(self.first)?.take()?;
        self.first = self.first.saturating_add(1).checked_rem(DEPTH).unwrap_or(0);
        self.len = self.len.saturating_sub(1);
        Some(command)
    }

    pub(crate) fn front(&self) -> Option<&Outstanding> {
        self.slots.get(self.first)?.as_ref()
    }

    /// The newest.
    pub(crate) fn back(&self) -> Option<&Outstanding> {
        let last = self.first.saturating_add(self.len.checked_sub(1)?).checked_rem(DEPTH)?;
        self.slots.get(last)?.as_ref()
    }

    /// All, oldest first.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Outstanding> {
        let (tail, head) = self.slots.split_at_checked(self.first).unwrap_or((&[], &[]));
        head.iter().chain(tail).filter_map(Option::as_ref)
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(id: u32) -> Outstanding {
        Outstanding { id: CommandId(id), verb: Verb::Noop, message: None, shape: ReplyShape::Single }
    }

    #[test]
    fn r2449_6_6_2_commands_come_back_in_the_order_they_went() {
        let mut queue = Queue::<3>::new();
        let (mut next_in, mut next_out) = (0, 0);
        for step in 0..100 {
            if step % 3 != 0 {
                if queue.push(command(next_in)) {
                    next_in += 1;
                }
                assert_eq!(queue.len() as u32, next_in - next_out);
            } else if let Some(popped) = queue.pop() {
                assert_eq!(popped.id, CommandId(next_out));
                next_out += 1;
            }
            assert!(queue.iter().map(|c| c.id.0).eq(next_out..next_in));
            assert_eq!(queue.front(), queue.iter().next());
            assert_eq!(queue.back(), queue.iter().last());
        }
        assert!(!Queue::<0>::new().push(command(0)));
        assert!(Queue::<0>::new().pop().is_none());
        assert!(Queue::<0>::new().back().is_none());
    }
}
