module.exports = require('./app/.prettierrc.js');
