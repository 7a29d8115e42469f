//! Composes the adapters into the running bot.
