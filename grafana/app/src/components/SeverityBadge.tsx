import React from 'react';
import { Badge, type BadgeColor } from '@grafana/ui';
import type { Severity } from '../api/types';

const COLORS: Record<Severity, BadgeColor> = {
  critical: 'red',
  high: 'orange',
  medium: 'purple',
  low: 'blue',
  info: 'green',
};

export const SeverityBadge = ({ severity }: { severity: Severity }) => (
  <Badge text={severity} color={COLORS[severity]} />
);
