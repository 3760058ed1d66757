// Bundles the host page with the Grafana packages of the workspace that `--env host=` names.
const path = require('path');

const GRAFANA = path.resolve(__dirname, '..');

module.exports = ({ host }) => {
  const folder = path.join(GRAFANA, host);
  return {
    mode: 'development',
    devtool: false,
    cache: { type: 'filesystem', name: host },
    context: __dirname,
    entry: { host: './src/index.tsx' },
    output: { path: path.join(folder, 'dist'), filename: '[name].js', publicPath: '/host/', clean: true },
    module: {
      rules: [
        {
          test: /\.tsx?$/,
          loader: 'swc-loader',
          options: {
            jsc: {
              parser: { syntax: 'typescript', tsx: true },
              target: 'es2022',
              transform: { react: { runtime: 'automatic' } },
            },
          },
        },
        { test: /\.css$/, use: ['style-loader', 'css-loader'] },
        { test: /\.ttf$/, type: 'asset/resource' },
        { test: /systemjs[\\/]dist/, parser: { system: false, amd: false, commonjs: false } },
        { test: /\.m?js$/, resolve: { fullySpecified: false } },
      ],
    },
    resolve: {
      extensions: ['.tsx', '.ts', '.mjs', '.js'],
      modules: [path.join(folder, 'node_modules'), 'node_modules'], // what is hoisted takes the host's React too
      fallback: { fs: false, path: false, stream: false, util: false },
    },
    performance: { hints: false },
    stats: 'errors-only',
  };
};
