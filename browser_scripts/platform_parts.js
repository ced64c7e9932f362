"use strict";

/**
 * What a platform's scripts start with.
 * @typedef {{tap: Tap, events: PageEvents, channels: DataChannels}} Capture
 */

/**
 * A platform's scripts add themselves here; start.js starts them in this order, once what all platforms share is in place.
 * @type {((capture: Capture) => void)[]}
 */
const PLATFORM_PARTS = [];
